"""From actions to joint angles: the tool's pose moves by what an action says, and the joints follow it."""

from typing import NamedTuple

import numpy as np

from rankq_jax.envs.tabletop.arm import CLOSED, HIGH, JOINTS, LOW, OPEN, Pose, forward

ACTION = 7  # numbers of an action of one control step
PERIOD, TIMESTEP, SUBSTEPS = 0.2, 0.004, 50  # seconds of a control step and of a physics step
# What 1 means, in metres and radians: the rounded 1 % and 99 % quantiles of the Bridge data.
MOVE, TURN = np.array([0.03, 0.04, 0.04]), np.array([0.08, 0.08, 0.20])
# Where the tool may be told to be, in metres from the arm's base.
BOX_LOW, BOX_HIGH = np.array([0.10, -0.25, 0.008]), np.array([0.46, 0.25, 0.30])
ITERATIONS, DAMPING, MOST_TURN = 30, 1e-4, 0.3  # of the inverse kinematics
DONE = 1e-6  # metres and radians at which it stops
FAR, OFF = 0.002, 0.02  # metres and radians beyond which a target is given up


class Target(NamedTuple):
    """What the arm is told, which is part of the state of an episode.

    Attributes:
      pose: of the tool.
      joints: `[n, 6]` angles that reach it.
      finger: `[n]` metres that a finger slides.
    """

    pose: Pose
    joints: np.ndarray
    finger: np.ndarray

    def pack(self) -> np.ndarray:
        """`[n, PACKED]`."""
        rotation = self.pose.rotation.reshape(-1, 9)
        return np.concatenate([self.pose.position, rotation, self.joints, self.finger[:, None]], axis=1)

    @property
    def control(self) -> np.ndarray:
        """`[n, 7]`, what the servos are told."""
        return np.concatenate([self.joints, self.finger[:, None]], axis=1)


PACKED = 3 + 9 + JOINTS + 1


def unpack(packed: np.ndarray) -> Target:
    """The target that `Target.pack` wrote."""
    pose = Pose(packed[:, :3], packed[:, 3:12].reshape(-1, 3, 3))
    return Target(pose, packed[:, 12 : 12 + JOINTS], packed[:, 12 + JOINTS])


def target_at(joints: np.ndarray) -> Target:
    """The target of an arm that rests at some angles `[n, 6]` with an open gripper."""
    return Target(forward(joints)[0], joints.copy(), np.full(len(joints), OPEN))


def rotation_of(vector: np.ndarray) -> np.ndarray:
    """`[n, 3] -> [n, 3, 3]`: the rotations of axis-angle vectors (Rodrigues)."""
    angle = np.sqrt(vector[:, 0] ** 2 + vector[:, 1] ** 2 + vector[:, 2] ** 2)
    axis = vector / np.where(angle > 0.0, angle, 1.0)[:, None]
    cross = np.zeros((len(vector), 3, 3))
    cross[:, 0, 1], cross[:, 0, 2], cross[:, 1, 2] = -axis[:, 2], axis[:, 1], -axis[:, 0]
    cross -= cross.transpose(0, 2, 1).copy()
    sine, cosine = np.sin(angle)[:, None, None], np.cos(angle)[:, None, None]
    return np.eye(3) + sine * cross + (1.0 - cosine) * (cross @ cross)


def vector_of(rotation: np.ndarray) -> np.ndarray:
    """`[n, 3, 3] -> [n, 3]`: axis-angle vectors of rotations by less than half a turn."""
    sines = 0.5 * np.stack(
        [
            rotation[:, 2, 1] - rotation[:, 1, 2],
            rotation[:, 0, 2] - rotation[:, 2, 0],
            rotation[:, 1, 0] - rotation[:, 0, 1],
        ],
        axis=1,
    )
    sine = np.sqrt(sines[:, 0] ** 2 + sines[:, 1] ** 2 + sines[:, 2] ** 2)
    cosine = 0.5 * (rotation[:, 0, 0] + rotation[:, 1, 1] + rotation[:, 2, 2] - 1.0)
    return sines * (np.arctan2(sine, cosine) / np.where(sine > 1e-12, sine, 1.0))[:, None]


def error_to(pose: Pose, wanted: Pose) -> np.ndarray:
    """`[n, 6]`: metres and radians from one pose to another."""
    turned = vector_of(wanted.rotation @ pose.rotation.transpose(0, 2, 1))
    return np.concatenate([wanted.position - pose.position, turned], axis=1)


def solve(wanted: Pose, joints: np.ndarray) -> np.ndarray:
    """Inverse kinematics by damped least squares; rows do not depend on one another.

    Args:
      wanted: n poses of the tool.
      joints: `[n, 6]` angles to start from.

    Returns:
      `[n, 6]` angles within their ranges, the nearest that were found.
    """
    found, moving = joints.copy(), np.arange(len(joints))
    for _ in range(ITERATIONS):
        pose, jacobian = forward(found[moving])
        error = error_to(pose, Pose(wanted.position[moving], wanted.rotation[moving]))
        left = np.abs(error).max(axis=1) > DONE
        if not left.any():
            break
        moving, error, jacobian = moving[left], error[left], jacobian[left]
        # The transposed Jacobian as a copy: the product must not choose its routine by the layout.
        transposed = np.ascontiguousarray(jacobian.transpose(0, 2, 1))
        square = np.ascontiguousarray(jacobian) @ transposed + DAMPING * np.eye(6)
        change = (transposed @ np.linalg.solve(square, error[:, :, None]))[:, :, 0]
        change = np.minimum(np.maximum(change, -MOST_TURN), MOST_TURN)
        found[moving] = np.minimum(np.maximum(found[moving] + change, LOW), HIGH)
    return found


def advance(target: Target, action: np.ndarray) -> Target:
    """The target one control step later.

    A pose that the arm does not reach is not taken on: the target stays where it is, and nothing winds up.
    (The nearest pose that is reached would tilt the tool a little more with every such step.)

    Args:
      target: of n rows.
      action: `[n, 7]` in [-1, 1]: translation, rotation about the axes of the base, and a gripper that opens
        above 0 and closes otherwise.
    """
    position = target.pose.position + MOVE * action[:, :3]
    position = np.minimum(np.maximum(position, BOX_LOW), BOX_HIGH)
    rotation = rotation_of(TURN * action[:, 3:6]) @ target.pose.rotation
    joints = solve(Pose(position, rotation), target.joints)
    error = np.abs(error_to(forward(joints)[0], Pose(position, rotation)))
    lost = (error[:, :3].max(axis=1) > FAR) | (error[:, 3:].max(axis=1) > OFF)
    pose = Pose(
        np.where(lost[:, None], target.pose.position, position),
        np.where(lost[:, None, None], target.pose.rotation, rotation),
    )
    joints = np.where(lost[:, None], target.joints, joints)
    return Target(pose, joints, np.where(action[:, 6] > 0.0, OPEN, CLOSED))
