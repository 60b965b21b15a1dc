"""What the arm knows of itself, and what a policy without a camera is told of the things."""

import numpy as np

from rankq_jax.envs.tabletop.arm import CLOSED, JOINTS, OPEN, forward

PROPRIO = 7
# Quantiles of 1 % and 99 % of the Bridge data, in metres; angles by what is usual here.
LOW, HIGH = np.array([0.170, -0.170, -0.055]), np.array([0.453, 0.235, 0.197])
ANGLES = np.array([0.5, 0.5, np.pi / 2])


def proprio(qpos: np.ndarray) -> np.ndarray:
    """`[n, nq] -> [n, 7]`: place, roll, pitch and yaw of the tool, and how open the gripper is.

    A place is -1 and 1 at the quantiles. Angles are 0 where the tool points down; a gripper is -1 where it is
    closed and 1 where it is open.
    """
    pose, _ = forward(qpos[:, :JOINTS])
    place = 2.0 * (pose.position - LOW) / (HIGH - LOW) - 1.0
    # Multiplied out, because a product with one matrix chooses its routine by the number of rows.
    turned = np.stack([pose.rotation[:, :, 2], pose.rotation[:, :, 1], -pose.rotation[:, :, 0]], axis=2)
    roll = np.arctan2(turned[:, 2, 1], turned[:, 2, 2])
    pitch = np.arctan2(-turned[:, 2, 0], np.hypot(turned[:, 2, 1], turned[:, 2, 2]))
    yaw = np.arctan2(turned[:, 1, 0], turned[:, 0, 0])
    opening = 2.0 * (qpos[:, JOINTS] - CLOSED) / (OPEN - CLOSED) - 1.0
    angles = np.stack([roll, pitch, yaw], axis=1) / ANGLES
    return np.concatenate([place, angles, opening[:, None]], axis=1).astype(np.float32)


STATE = 2 * 9 + JOINTS + 2
MIDDLE, SPREAD = np.array([0.30, 0.0, 0.05]), 0.15  # metres that are 0, and that are 1


def full_state(qpos: np.ndarray, poses: np.ndarray) -> np.ndarray:
    """What the camera is in place of, for policies without one.

    Args:
      qpos: `[n, nq]`.
      poses: `[n, 2, 7]` of both things.

    Returns:
      `[n, STATE]` float32: place, x axis and z axis of each thing, then the arm's joints.
    """
    w, x, y, z = np.moveaxis(poses[:, :, 3:], 2, 0)
    along = (1.0 - 2.0 * (y**2 + z**2), 2.0 * (x * y + w * z), 2.0 * (x * z - w * y))
    upward = (2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 1.0 - 2.0 * (x**2 + y**2))
    place = (poses[:, :, :3] - MIDDLE) / SPREAD
    things = np.concatenate([place, np.stack([*along, *upward], axis=2)], axis=2).reshape(len(qpos), -1)
    return np.concatenate([things, qpos[:, : JOINTS + 2]], axis=1).astype(np.float32)
