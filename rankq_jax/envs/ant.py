"""The ant: its model, its resets, and the task of running where it is told to on a flat floor."""

import functools
from pathlib import Path

import mujoco
import numpy as np

from rankq_jax.envs.batch import Outcome, Simulation, View

MODEL = Path(__file__).parent / "assets" / "ant.xml"
SUBSTEPS = 5  # of 0.02 s
POSITION_NOISE = 0.1  # on every coordinate of a reset, uniform on both sides (D4RL code, ant.py)
VELOCITY_NOISE = 0.1  # standard deviation on every velocity of a reset (D4RL code, ant.py)
HEALTHY = (0.2, 1.0)  # metres, heights of the torso at which training goes on
STEPS_PER_DIRECTION = 100
DIRECTIONS = 10  # of an episode
HORIZON = STEPS_PER_DIRECTION * DIRECTIONS


@functools.cache
def model() -> mujoco.MjModel:
    """The ant on a flat floor."""
    return mujoco.MjModel.from_xml_path(str(MODEL))


def rest(ant: mujoco.MjModel, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """`(qpos [15], qvel [14])`: standing at the origin, with the noise of D4RL's resets."""
    qpos = ant.qpos0 + random.uniform(-POSITION_NOISE, POSITION_NOISE, ant.nq)
    return qpos, VELOCITY_NOISE * random.normal(size=ant.nv)


def commanded(state: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """What the policy of `run_where_told` sees.

    Args:
      state: `[n, 29]` positions, 15 of them, and velocities.
      direction: `[n, 2]` unit vectors.

    Returns:
      `[n, 29]`: the state without x and y, and the direction.
    """
    return np.concatenate([state[:, 2:], direction], axis=1)


def _direction(view: View) -> np.ndarray:
    index = np.minimum(view.step // STEPS_PER_DIRECTION, DIRECTIONS - 1)
    angle = view.goal[np.arange(len(index)), index]
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def run_where_told() -> Simulation:
    """Running along a direction that changes every 100 steps: the ant that collects AntMaze data learns it.

    The raw reward is the way made along the direction, in metres, nothing else (the expert of OGBench, arXiv
    2410.20092, is trained so). An episode ends when the torso is below 0.2 m or above 1 m, which counts as a
    failure of the task, and is truncated after 1,000 steps of 0.1 s. No step is a success.
    """

    def reset(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return *rest(model(), random), random.uniform(-np.pi, np.pi, DIRECTIONS)

    def judge(before: View, action: np.ndarray, after: View, observation: np.ndarray) -> Outcome:
        way = after.qpos[:, :2] - before.qpos[:, :2]
        height = after.qpos[:, 2]
        fallen = (height < HEALTHY[0]) | (height > HEALTHY[1])
        return Outcome((way * _direction(before)).sum(axis=1), fallen, np.zeros(len(way), bool))

    return Simulation(
        model=model(),
        substeps=SUBSTEPS,
        horizon=HORIZON,
        reset=reset,
        observe=lambda view: commanded(np.concatenate([view.qpos, view.qvel], axis=1), _direction(view)),
        judge=judge,
    )
