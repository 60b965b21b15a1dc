"""Relocate: carry a ball to the target.

A goal is x and y of the ball and the position of the target, in metres.
"""

from collections.abc import Mapping

import mujoco
import numpy as np

from rankq_jax.envs.adroit.hand import Configure, Dense, Hand, Observe, Reset, body_index, norm, site_index
from rankq_jax.envs.batch import View


def success(observation: np.ndarray) -> np.ndarray:
    """`[n, 39] -> [n]`: the ball is nearer than 0.1 m to the target."""
    return norm(observation[:, 36:39]) < 0.1


def _dense(model: mujoco.MjModel) -> Dense:
    carried = body_index(model, "Object")

    def dense(view: View, observation: np.ndarray) -> np.ndarray:
        ball, target, left = observation[:, 30:33], observation[:, 33:36], norm(observation[:, 36:39])
        lifted = view.derived["xpos"][:, carried, 2] > 0.04
        carrying = lifted * (1.0 - 0.5 * norm(target) - 0.5 * left)
        return carrying - 0.1 * norm(ball) + 10.0 * (left < 0.1) + 20.0 * (left < 0.05)

    return dense


def _reset(model: mujoco.MjModel) -> Reset:
    def reset(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        places = random.uniform([-0.15, -0.15, -0.2, -0.2, 0.15], [0.15, 0.3, 0.2, 0.2, 0.35])
        return model.qpos0.copy(), np.zeros(model.nv), places

    return reset


def _observe(model: mujoco.MjModel) -> Observe:
    grasp, target, carried = (
        site_index(model, "S_grasp"),
        site_index(model, "target"),
        body_index(model, "Object"),
    )

    def observe(view: View) -> np.ndarray:
        palm, aim = view.derived["site_xpos"][:, grasp], view.derived["site_xpos"][:, target]
        ball = view.derived["xpos"][:, carried]
        return np.concatenate([view.qpos[:, :-6], palm - ball, palm - aim, ball - aim], axis=1)

    return observe


def _configure(model: mujoco.MjModel) -> Configure:
    carried, target = body_index(model, "Object"), site_index(model, "target")

    def configure(fields: Mapping[str, np.ndarray], goal: np.ndarray) -> None:
        fields["body_pos"][:, carried, :2] = goal[:, :2]
        fields["site_pos"][:, target] = goal[:, 2:]

    return configure


RELOCATE = Hand(
    file="adroit_relocate.xml",
    env_id="AdroitHandRelocateSparse-v1",
    horizon=200,
    success=success,
    dense=_dense,
    reset=_reset,
    observe=_observe,
    fields=("body_pos", "site_pos"),
    configure=_configure,
    joints=30,
    first_joint=0,
)
