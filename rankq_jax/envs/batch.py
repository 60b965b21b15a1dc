"""n environments from one simulated task: time limits, success, resets that other rows do not notice."""

from collections.abc import Callable
from typing import NamedTuple

import mujoco
import numpy as np

from rankq_jax.envs.physics import Physics
from rankq_jax.types import BatchEnv, EnvState, Step


class Simulation(NamedTuple):
    """A task as array functions over the columns of the physics state.

    Attributes:
      model: the MuJoCo model.
      substeps: physics steps per environment step.
      horizon: environment steps until truncation.
      limit: `qvel [n, nv] -> [n, nv]`, applied before each step.
      reset: `generator -> (qpos [nq], qvel [nv], goal [G])` of one new episode.
      observe: `(qpos, qvel) -> [n, O]`.
      success: `(observation [n, O], goal [n, G]) -> [n]` bool.
      success_reward: raw reward of a success; every other step has 0.
      terminates: whether a success ends the episode.
    """

    model: mujoco.MjModel
    substeps: int
    horizon: int
    limit: Callable[[np.ndarray], np.ndarray]
    reset: Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray, np.ndarray]]
    observe: Callable[[np.ndarray, np.ndarray], np.ndarray]
    success: Callable[[np.ndarray, np.ndarray], np.ndarray]
    success_reward: float = 1.0
    terminates: bool = True


def streams(seed: int, rows: int) -> np.ndarray:
    """`[rows, 2]` uint64: the random streams of one seed's environment rows."""
    return np.stack([np.full(rows, seed, np.uint64), np.arange(rows, dtype=np.uint64)], axis=1)


def stream_seed(*path: int) -> int:
    """A seed for `streams` from a path of whole numbers; paths that differ do not share streams.

    Datasets use their seed as it is, training environments `(seed,)`, evaluations `(seed, phase, round)`
    and the evaluation command `(seed, its own seed)`.
    """
    # The length belongs to it: a seed sequence does not tell (7,) from (7, 0).
    return int(np.random.SeedSequence((len(path), *path)).generate_state(1, np.uint64)[0])


def _generator(stream: np.ndarray, episode: int) -> np.random.Generator:
    # Counter-based: the draws of an episode depend on nothing that happened before it.
    return np.random.Generator(np.random.Philox(key=stream, counter=[0, 0, 0, episode]))


def batch_env(simulation: Simulation, rows: int, threads: int) -> BatchEnv:
    """n environments that share one thread pool and hold no state between calls.

    Results depend neither on the number of threads nor on what the other rows do.

    Args:
      simulation: the task.
      rows: n.
      threads: size of the pool; 0 uses every core.

    Raises:
      ValueError: from `reset`, if its streams do not have the shape `[rows, 2]`.
    """
    physics = Physics(simulation.model, rows, threads)
    probe = simulation.reset(np.random.default_rng(0))
    observation_size = simulation.observe(probe[0][None], probe[1][None]).shape[1]

    def observe(state: EnvState) -> np.ndarray:
        physics.rows[:] = state.physics
        return simulation.observe(physics.qpos, physics.qvel)

    def fresh(state: EnvState, ids: np.ndarray) -> EnvState:
        """The rows `ids` at the start of their next episode."""
        physics.rows[:] = state.physics
        physics.rows[ids] = physics.initial
        goal, step, episode = state.goal.copy(), state.step.copy(), state.episode.copy()
        for i in ids:
            draw = _generator(state.stream[i], int(episode[i]))
            physics.qpos[i], physics.qvel[i], goal[i] = simulation.reset(draw)
        step[ids] = 0
        episode[ids] += 1
        return EnvState(physics.rows.copy(), goal, step, state.stream, episode)

    def reset(stream: np.ndarray) -> EnvState:
        if stream.shape != (rows, 2):
            raise ValueError(f"{rows} rows need streams of shape {(rows, 2)}, not {stream.shape}")
        blank = EnvState(
            physics=np.tile(physics.initial, (rows, 1)),
            goal=np.zeros((rows, len(probe[2]))),
            step=np.zeros(rows, np.int32),
            stream=np.asarray(stream, np.uint64),
            episode=np.zeros(rows, np.int64),
        )
        return fresh(blank, np.arange(rows))

    def step(state: EnvState, action: np.ndarray, active: np.ndarray) -> tuple[EnvState, Step]:
        physics.rows[:] = state.physics
        physics.qvel[active] = simulation.limit(physics.qvel[active])
        physics.step(np.clip(action, -1.0, 1.0), simulation.substeps, active)
        observation = simulation.observe(physics.qpos, physics.qvel)
        success = simulation.success(observation, state.goal)
        elapsed = state.step + active.astype(np.int32)
        terminated = success & simulation.terminates
        truncated = (elapsed >= simulation.horizon) & ~terminated  # success wins over the time limit
        moved = state._replace(physics=physics.rows.copy(), step=elapsed)
        ended = np.flatnonzero((terminated | truncated) & active)
        if len(ended):
            moved = fresh(moved, ended)
        reward = np.where(success, simulation.success_reward, 0.0)
        return moved, Step(observation, reward, terminated, truncated, success)

    return BatchEnv(
        reset=reset,
        observe=observe,
        step=step,
        rows=rows,
        horizon=simulation.horizon,
        observation_size=observation_size,
        action_size=simulation.model.nu,
    )
