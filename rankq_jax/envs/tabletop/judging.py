"""Success and partial success, from contacts and from where the things lie."""

import math
from typing import NamedTuple

import numpy as np

from rankq_jax.envs.tabletop.scene import SIDES, Setting, boxes

TOUCH = 0.05  # newtons that count, of all contacts of two bodies: a resting cube has eight of 0.03
LIFT = 0.03  # metres above rest of a thing that was picked up
STACK, BESIDE = 0.006, 0.020  # metres that a stacked cube may lie off, upward and sideways
WITHIN = 0.055  # metres from a bowl's axis
SIMPLER_BESIDE, SIMPLER_ABOVE = 0.003, 0.02  # metres that the rule of SIMPLER adds to the sizes of boxes
TILT, RAISED = math.cos(math.radians(15.0)), 0.01  # of a bowl that stands


class Contacts(NamedTuple):
    """Who touches whom, by a force of more than `TOUCH`.

    Attributes:
      sides: `[n, 2, sides]` bool: each of the things and each of `scene.SIDES`.
      each_other: `[n]` bool.
    """

    sides: np.ndarray
    each_other: np.ndarray


def contacts(sensordata: np.ndarray) -> Contacts:
    """What the sensors of `scene.mjcf` say, `[n, sensors]`."""
    force = sensordata.reshape(len(sensordata), -1, 3)
    touch = force[:, :, 0] ** 2 + force[:, :, 1] ** 2 + force[:, :, 2] ** 2 > TOUCH**2
    return Contacts(touch[:, :-1].reshape(-1, 2, len(SIDES)), touch[:, -1])


def axis_z(quaternion: np.ndarray) -> np.ndarray:
    """`[n, 4] -> [n]`: how far up the z axis of a body points."""
    return 1.0 - 2.0 * (quaternion[:, 1] ** 2 + quaternion[:, 2] ** 2)


def axis_x(quaternion: np.ndarray) -> np.ndarray:
    """`[n, 4] -> [n, 3]`: the x axis of a body."""
    w, x, y, z = quaternion.T
    return np.stack([1.0 - 2.0 * (y**2 + z**2), 2.0 * (x * y + w * z), 2.0 * (x * z - w * y)], axis=1)


def _lies_well(setting: Setting, moved: np.ndarray, other: np.ndarray) -> np.ndarray:
    """`[n]` bool, from the poses `[n, 7]` of both things."""
    if setting.rule == "on":
        return np.ones(len(moved), bool)
    thing, below = setting.things
    center = moved[:, :3] + axis_x(moved[:, 3:]) * thing.center
    off = center - other[:, :3]
    beside = np.sqrt(off[:, 0] ** 2 + off[:, 1] ** 2)
    if setting.rule == "stacked":
        return (np.abs(off[:, 2] - thing.bottom - below.support) <= STACK) & (beside <= BESIDE)
    stands = (axis_z(other[:, 3:]) >= TILT) & (other[:, 2] <= RAISED)
    return (beside <= WITHIN) & stands


def _middles(setting: Setting, poses: np.ndarray) -> np.ndarray:
    """`[n, 2, 3]` metres: where the middles of the boxes around both things are."""
    offset, real, axis = boxes(setting)[:, 0], poses[:, :, 3:4], poses[:, :, 4:]
    turn = 2.0 * np.cross(axis, offset)
    found: np.ndarray = poses[:, :, :3] + offset + real * turn + np.cross(axis, turn)
    return found


def _succeeds_in_simpler(
    setting: Setting, poses: np.ndarray, touch: Contacts, source: np.ndarray
) -> np.ndarray:
    """`[n]` bool by the rule of ManiSkill's tasks of Bridge: who else touches the thing does not matter."""
    row, half = np.arange(len(poses)), boxes(setting)[:, 1]
    middle = _middles(setting, poses)
    off = middle[row, source] - middle[row, 1 - source]
    diagonal = np.hypot(half[:, 0], half[:, 1])[1 - source]
    beside = np.hypot(off[:, 0], off[:, 1]) <= diagonal + SIMPLER_BESIDE
    above = (off[:, 2] > 0.0) & (off[:, 2] <= half[:, 2].sum() + SIMPLER_ABOVE)
    return beside & above & (touch.each_other | (setting.rule == "inside"))


def succeeds(
    setting: Setting, poses: np.ndarray, touch: Contacts, source: np.ndarray, rule: str = "contacts"
) -> np.ndarray:
    """Whether the thing lies on the other one, and neither the table nor the arm holds it up.

    Args:
      setting: of the task.
      poses: `[n, 2, 7]` of both things.
      touch: who touches whom.
      source: `[n]` int: which of the things is moved.
      rule: see `Options`.

    Returns:
      `[n]` bool.
    """
    if rule == "simpler":
        return _succeeds_in_simpler(setting, poses, touch, source)
    row = np.arange(len(poses))
    free = ~touch.sides[row, source].any(axis=1)
    return touch.each_other & free & _lies_well(setting, poses[row, source], poses[row, 1 - source])


def lifted(setting: Setting, poses: np.ndarray, touch: Contacts, source: np.ndarray) -> np.ndarray:
    """`[n]` bool: whether both fingers hold the thing at least 3 cm above where it lay."""
    row = np.arange(len(poses))
    rest = np.array([thing.rest for thing in setting.things])[source]
    sides = touch.sides[row, source]
    held = sides[:, SIDES.index("left_finger")] & sides[:, SIDES.index("right_finger")]
    return held & (poses[row, source, 2] >= rest + LIFT)
