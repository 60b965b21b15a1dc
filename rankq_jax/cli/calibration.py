"""What of the flags of `rankq calibrate` is judged at once, before anything heavy is imported."""

import argparse

from rankq_jax.envs.tabletop.variants import refuse_unknown
from rankq_jax.errors import InputError


def check(values: argparse.Namespace) -> None:
    """Refuses a world that there is not, an empty band, and a file that cannot be written.

    Raises:
      InputError: names the flag and its value.
    """
    refuse_unknown(values.setting, values.variant, flag="--")
    if values.low > values.high:
        raise InputError(f"--low={values.low}: is above --high={values.high}; exchange them.")
    if values.low == values.high:
        raise InputError(f"--low={values.low}: is --high too; give a smaller one, for a band.")
    if values.out is not None and not values.out.parent.is_dir():
        raise InputError(f"--out={values.out}: its folder does not exist; make it.")
