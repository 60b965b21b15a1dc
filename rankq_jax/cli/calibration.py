"""What of the flags of `rankq calibrate` is judged at once, before anything heavy is imported."""

import argparse

from rankq_jax.envs.tabletop.variants import NAMES, SEEING
from rankq_jax.errors import InputError


def check(values: argparse.Namespace) -> None:
    """Refuses a world that there is not, an empty band, and a file that cannot be written.

    Raises:
      InputError: names the flag and its value.
    """
    variants = [name.removeprefix("-") for name in SEEING]
    for flag, value, known in (("setting", values.setting, NAMES), ("variant", values.variant, variants)):
        if value not in known:
            raise InputError(f"--{flag}={value!r}: choose one of {', '.join(filter(None, known))}.")
    if values.low > values.high:
        raise InputError(f"--low={values.low}: is above --high={values.high}; exchange them.")
    if values.low == values.high:
        raise InputError(f"--low={values.low}: is --high too; give a smaller one, for a band.")
    if values.out is not None and not values.out.parent.is_dir():
        raise InputError(f"--out={values.out}: its folder does not exist; make it.")
