"""Door: unlatch it and pull it open. A goal is the position of the frame, in metres."""

from collections.abc import Mapping

import mujoco
import numpy as np

from rankq_jax.envs.adroit.hand import Configure, Dense, Hand, Observe, Reset, body_index, norm, site_index
from rankq_jax.envs.batch import View


def success(observation: np.ndarray) -> np.ndarray:
    """`[n, 39] -> [n]`: the hinge stands at 1.35 rad or more."""
    return observation[:, 28] >= 1.35


def _dense(model: mujoco.MjModel) -> Dense:
    def dense(view: View, observation: np.ndarray) -> np.ndarray:
        hinge = observation[:, 28]
        bonus = 2.0 * (hinge > 0.2) + 8.0 * (hinge > 1.0) + 10.0 * (hinge > 1.35)
        effort = 1e-5 * (view.qvel**2).sum(axis=1)
        return bonus - 0.1 * norm(observation[:, 35:38]) - 0.1 * (hinge - 1.57) ** 2 - effort

    return dense


def _reset(model: mujoco.MjModel) -> Reset:
    def reset(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        frame = random.uniform([-0.3, 0.25, 0.252], [-0.2, 0.35, 0.35])
        return model.qpos0.copy(), np.zeros(model.nv), frame

    return reset


def _observe(model: mujoco.MjModel) -> Observe:
    grasp, handle = site_index(model, "S_grasp"), site_index(model, "S_handle")
    joint = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_JOINT, "door_hinge")
    hinge = int(model.jnt_dofadr[joint])

    def observe(view: View) -> np.ndarray:
        palm, held = view.derived["site_xpos"][:, grasp], view.derived["site_xpos"][:, handle]
        angle = view.qpos[:, hinge : hinge + 1]
        parts = [view.qpos[:, 1:-2], view.qpos[:, -1:], angle, palm, held, palm - held]
        return np.concatenate([*parts, np.where(angle > 1.0, 1.0, -1.0)], axis=1)

    return observe


def _configure(model: mujoco.MjModel) -> Configure:
    frame = body_index(model, "frame")

    def configure(fields: Mapping[str, np.ndarray], goal: np.ndarray) -> None:
        fields["body_pos"][:, frame] = goal

    return configure


DOOR = Hand(
    file="adroit_door.xml",
    env_id="AdroitHandDoorSparse-v1",
    horizon=200,
    success=success,
    dense=_dense,
    reset=_reset,
    observe=_observe,
    fields=("body_pos",),
    configure=_configure,
    joints=27,
    first_joint=1,
)
