"""Pen: turn it in the hand until it lies like the target.

A goal is the quaternion of the target and the two lengths, in metres, that orientations are divided by.
"""

import copy
from collections.abc import Mapping

import mujoco
import numpy as np

from rankq_jax.envs.adroit.hand import Configure, Dense, Hand, Observe, Reset, body_index, norm, site_index
from rankq_jax.envs.batch import View
from rankq_jax.envs.robotics import euler2quat


def success(observation: np.ndarray) -> np.ndarray:
    """`[n, 45] -> [n]`: nearer than 0.075 m, and cosine of the orientations above 0.95."""
    return (norm(observation[:, 39:42]) < 0.075) & (_cosine(observation) > 0.95)


def _cosine(observation: np.ndarray) -> np.ndarray:
    return (observation[:, 33:36] * observation[:, 36:39]).sum(axis=1)


def _dense(model: mujoco.MjModel) -> Dense:
    def dense(view: View, observation: np.ndarray) -> np.ndarray:
        distance, cosine = norm(observation[:, 39:42]), _cosine(observation)
        close = distance < 0.075
        bonus = 10.0 * (close & (cosine > 0.9)) + 50.0 * (close & (cosine > 0.95))
        return cosine - distance + bonus - 5.0 * (observation[:, 26] < 0.075)

    return dense


def _reset(model: mujoco.MjModel) -> Reset:
    # A copy to write to: gymnasium-robotics measures the lengths anew at every reset.
    scratch, data = copy.copy(model), mujoco.MjData(model)
    target = body_index(model, "target")
    tips = [
        site_index(model, name) for name in ("object_top", "object_bottom", "target_top", "target_bottom")
    ]

    def reset(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        quaternion = euler2quat(np.array([*random.uniform(-1.0, 1.0, 2), 0.0]))
        scratch.body_quat[target] = quaternion
        mujoco.mj_resetData(scratch, data)
        mujoco.mj_kinematics(scratch, data)
        place = data.site_xpos[tips]
        lengths = np.linalg.norm(place[0] - place[1]), np.linalg.norm(place[2] - place[3])
        return scratch.qpos0.copy(), np.zeros(scratch.nv), np.array([*quaternion, *lengths])

    return reset


def _observe(model: mujoco.MjModel) -> Observe:
    pen, ball = body_index(model, "Object"), site_index(model, "eps_ball")
    top, bottom = site_index(model, "object_top"), site_index(model, "object_bottom")
    target_top, target_bottom = site_index(model, "target_top"), site_index(model, "target_bottom")

    def observe(view: View) -> np.ndarray:
        sites, position = view.derived["site_xpos"], view.derived["xpos"][:, pen]
        orientation = (sites[:, top] - sites[:, bottom]) / view.goal[:, 4:5]
        desired = (sites[:, target_top] - sites[:, target_bottom]) / view.goal[:, 5:6]
        parts = [view.qpos[:, :-6], position, view.qvel[:, -6:], orientation, desired]
        return np.concatenate([*parts, position - sites[:, ball], orientation - desired], axis=1)

    return observe


def _configure(model: mujoco.MjModel) -> Configure:
    target = body_index(model, "target")

    def configure(fields: Mapping[str, np.ndarray], goal: np.ndarray) -> None:
        fields["body_quat"][:, target] = goal[:, :4]

    return configure


PEN = Hand(
    file="adroit_pen.xml",
    env_id="AdroitHandPenSparse-v1",
    horizon=100,
    success=success,
    dense=_dense,
    reset=_reset,
    observe=_observe,
    fields=("body_quat",),
    configure=_configure,
    joints=24,
    first_joint=0,
)
