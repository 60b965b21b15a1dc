"""The names of the worlds and what they stand for; importing them takes no time."""

from collections.abc import Mapping
from typing import Any

from rankq_jax.errors import InputError

NAMES = ("carrot-on-plate", "cube-stacking", "spoon-in-bowl")  # of the settings, see `scene.SETTINGS`
SIZES = ((48, 64), (96, 128))  # pixels of an image: height and width
TARGET = "-target"  # where the policies of the package are to be improved, as far away as `GAPS` says
WIDEST = 2.0  # of the gaps between source and target domain
# Found by `rankq calibrate`: there they succeed about as often as those of the RankQ paper at first.
GAPS = {"carrot-on-plate": 1.0, "cube-stacking": 0.75, "spoon-in-bowl": 1.5}
# What the name of a task ends with, and which options differ then. Policies are pretrained in `source`.
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "": {},
    "-state": {"image": None},
    "-grid": {"spawns": "grid72"},
    "-randomized": {"spawns": "c4", "randomized": True},
    "-source": {"varied": True, "paraphrased": True, "direction": "both"},
    "-simpler": {"rule": "simpler"},
    TARGET: {},
    "-randomized-heldout": {"spawns": "c4", "randomized": True, "held_out": True},
}
LARGE = "-large"  # a further ending, of those with images: the larger size
SEEING = tuple(name for name, changes in VARIANTS.items() if "image" not in changes)
ENDINGS = (*VARIANTS, *(f"{name}{LARGE}" for name in SEEING))


def refuse_unknown(setting: str, variant: str, flag: str = "") -> None:
    """Refuses a world with images that there is not.

    Args:
      setting: one of `NAMES`.
      variant: one of `SEEING` without its first letter.
      flag: what stands before the names of the two in messages.

    Raises:
      InputError: names the field and its value.
    """
    variants = [name.removeprefix("-") for name in SEEING]
    for field, value, known in (("setting", setting, NAMES), ("variant", variant, variants)):
        if value not in known:
            raise InputError(f"{flag}{field}={value!r}: choose one of {', '.join(filter(None, known))}.")
