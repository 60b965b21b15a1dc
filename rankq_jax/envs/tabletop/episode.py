"""What an episode keeps besides the state of the physics: numbers that lie in MuJoCo's user data."""

from collections.abc import Iterator, Mapping

import numpy as np

from rankq_jax.envs.tabletop.control import PACKED

# Name and size of each part.
PARTS = {
    "target": PACKED,  # what the arm is told, see `control.Target`
    "source": 1,  # 0 or 1: which of the things is moved
    "phrase": 1,  # which wording of the instruction
    "height": 1,  # metres that the arm stands too high
    "eye": 3,  # of the camera, in metres
    "axes": 9,  # of the camera: its columns point right, up and back
    "ambient": 3,  # red, green and blue of the light from everywhere
    "brightness": 1,  # of the light from one direction
    "light": 3,  # unit vector towards it
    "hue": 1,  # turns by which the colors of things are shifted
    "scene": 1,  # number of the scene
}
SIZE = sum(PARTS.values())


def _columns() -> Iterator[tuple[str, slice]]:
    start = 0
    for name, size in PARTS.items():
        yield name, slice(start, start + size)
        start += size


COLUMNS: Mapping[str, slice] = dict(_columns())


def part(userdata: np.ndarray, name: str) -> np.ndarray:
    """`[n, SIZE] -> [n, k]`, a view; of parts of one number `[n]`."""
    found = userdata[:, COLUMNS[name]]
    return found[:, 0] if PARTS[name] == 1 else found


def whole(userdata: np.ndarray, name: str) -> np.ndarray:
    """`[n]` int: a part that is a whole number."""
    return part(userdata, name).astype(np.int64)
