"""n environments from one simulated task: time limits, success, resets that other rows do not notice."""

import copy
from collections.abc import Callable, Mapping
from typing import NamedTuple

import mujoco
import numpy as np

from rankq_jax.environments import BatchEnv, EnvState, Snapshot, Step
from rankq_jax.envs import pictures
from rankq_jax.envs.physics import Physics, useful_threads
from rankq_jax.envs.raycast import Camera
from rankq_jax.envs.streams import draws
from rankq_jax.specs import TaskSpec, unit_box, vector


class View(NamedTuple):
    """What a task reads of n simulations; live arrays, to be used at once and not written to.

    Attributes:
      qpos: `[n, nq]`.
      qvel: `[n, nv]`.
      derived: `[n, ...]` data fields that the simulation named.
      goal: `[n, G]`.
      step: `[n]`, steps since the reset.
    """

    qpos: np.ndarray
    qvel: np.ndarray
    derived: Mapping[str, np.ndarray]
    goal: np.ndarray
    step: np.ndarray


class Outcome(NamedTuple):
    """How a task judges a step of n rows.

    Attributes:
      reward: `[n]` raw.
      terminated: `[n]` bool.
      success: `[n]` bool.
    """

    reward: np.ndarray
    terminated: np.ndarray
    success: np.ndarray


class Simulation(NamedTuple):
    """A task as array functions over n simulations.

    Attributes:
      model: the MuJoCo model.
      substeps: physics steps per environment step.
      horizon: environment steps until truncation.
      reset: `generator -> (qpos [nq], qvel [nv], goal [G])` of one new episode.
      observe: `View -> [n, O]` float64, a new array.
      judge: `(before: View, action [n, A], after: View, next_observation [n, O]) -> Outcome`; `before` has
        nothing derived, the action is clipped to [-1, 1].
      control: `action [n, A] in [-1, 1] -> [n, nu]`; None if they are the same.
      limit: `qvel [n, nv] -> [n, nv]`, applied before each step; None if there is none.
      derived: names of the data fields that `observe` and `judge` read.
      fields: names of the model fields that `configure` writes.
      configure: `(fields, goal [n, G])` writes a goal into the live model fields of each row.
      camera: of pictures; None takes the usual one of the model.
    """

    model: mujoco.MjModel
    substeps: int
    horizon: int
    reset: Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray, np.ndarray]]
    observe: Callable[[View], np.ndarray]
    judge: Callable[[View, np.ndarray, View, np.ndarray], Outcome]
    control: Callable[[np.ndarray], np.ndarray] | None = None
    limit: Callable[[np.ndarray], np.ndarray] | None = None
    derived: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    configure: Callable[[Mapping[str, np.ndarray], np.ndarray], None] | None = None
    camera: Camera | None = None


def sparse(success: np.ndarray, rewards: tuple[float, float], terminates: bool) -> Outcome:
    """The outcome of a step that counts by its success alone.

    Args:
      success: `[n]` bool.
      rewards: raw reward of a failing and of a successful step.
      terminates: whether a success ends the episode.
    """
    return Outcome(np.where(success, rewards[1], rewards[0]), success & terminates, success)


def bounded(values: np.ndarray, bound: float) -> np.ndarray:
    """`values` clipped to `[-bound, bound]`, in a third of the time that `np.clip` takes for small arrays."""
    return np.minimum(np.maximum(values, -bound), bound)


class _Rows:
    """n environments of one simulation: the functions of a `BatchEnv` over shared physics.

    They hold no state between calls: what they leave in `physics` is written over by the next one.
    """

    def __init__(self, simulation: Simulation, rows: int, threads: int) -> None:
        self.simulation, self.rows = simulation, rows
        used = useful_threads(simulation.model, rows, simulation.substeps, threads)
        self.physics = Physics(simulation.model, rows, used, simulation.derived, simulation.fields)
        self.columns = self.physics.columns
        self.goal = simulation.reset(np.random.default_rng(0))[2]  # an example
        goals = np.tile(self.goal, (rows, 1))
        probe = self._view(goals, np.zeros(rows, np.int32))
        self.observation_size = simulation.observe(probe).shape[1]

    def _goals(self, state: EnvState) -> np.ndarray:
        """`[n, G]`; G may be 0."""
        return np.zeros((self.rows, 0)) if state.goal is None else state.goal

    def _view(self, goal: np.ndarray, step: np.ndarray) -> View:
        """The live rows."""
        return View(self.physics.qpos, self.physics.qvel, self.physics.derived, goal, step)

    def _configure(self, goal: np.ndarray) -> None:
        if self.simulation.configure is not None:
            self.simulation.configure(self.physics.fields, goal)

    def _settle(self, state: EnvState, ids: np.ndarray, warm: np.ndarray | None = None) -> EnvState:
        """`state` with the live rows `ids`, that were just written to, and their observations."""
        physics = self.physics
        self._configure(self._goals(state))
        physics.forward(ids)
        if warm is not None:
            physics.rows[ids, self.columns["qacc_warmstart"]] = warm
        observation = state.observation.copy()
        observation[ids] = self.simulation.observe(self._view(self._goals(state), state.step))[ids]
        return state._replace(simulator=physics.rows.copy(), observation=observation)

    def _fresh(self, state: EnvState, ids: np.ndarray) -> EnvState:
        """The rows `ids` at the start of their next episode."""
        physics = self.physics
        physics.rows[:] = state.simulator
        physics.rows[ids] = physics.initial
        goal, step, episode = self._goals(state).copy(), state.step.copy(), state.episode.copy()
        for i in ids:
            draw = draws(state.stream[i], int(episode[i]))
            physics.qpos[i], physics.qvel[i], goal[i] = self.simulation.reset(draw)
        step[ids] = 0
        episode[ids] += 1
        fresh = state._replace(goal=goal if goal.size else None, step=step, episode=episode)
        return self._settle(fresh, ids)

    def place(self, state: EnvState, ids: np.ndarray, at: Snapshot) -> EnvState:
        """See `BatchEnv`."""
        physics = self.physics
        physics.rows[:] = state.simulator
        physics.rows[ids] = physics.initial
        physics.qpos[ids], physics.qvel[ids] = at.qpos, at.qvel
        goal, step = self._goals(state).copy(), state.step.copy()
        if at.goal.shape[1] != goal.shape[1]:
            need = (len(ids), goal.shape[1])
            raise ValueError(f"goals have shape {at.goal.shape}, {need} is needed; they are of another task")
        goal[ids], step[ids] = at.goal, at.step
        moved = state._replace(goal=goal if goal.size else None, step=step)
        return self._settle(moved, ids, at.qacc_warmstart)

    def snapshot(self, state: EnvState) -> Snapshot:
        """See `BatchEnv`."""
        names = ("qpos", "qvel", "qacc_warmstart")
        positions, velocities, warm = (state.simulator[:, self.columns[name]].copy() for name in names)
        return Snapshot(positions, velocities, warm, self._goals(state).copy(), state.step.copy())

    def reset(self, stream: np.ndarray) -> EnvState:
        """See `BatchEnv`."""
        rows = self.rows
        if stream.shape != (rows, 2):
            raise ValueError(f"{rows} rows need streams of shape {(rows, 2)}, not {stream.shape}")
        blank = EnvState(
            simulator=np.tile(self.physics.initial, (rows, 1)),
            step=np.zeros(rows, np.int32),
            stream=np.asarray(stream, np.uint64),
            episode=np.zeros(rows, np.int64),
            observation=np.zeros((rows, self.observation_size)),
            goal=np.zeros((rows, len(self.goal))),
        )
        return self._fresh(blank, np.arange(rows))

    def step(self, state: EnvState, action: np.ndarray, active: np.ndarray) -> tuple[EnvState, Step]:
        """See `BatchEnv`."""
        simulation, physics = self.simulation, self.physics
        # No index where every row moves: that is the usual case, and copies by index cost more.
        ids = None if active.all() else np.flatnonzero(active)
        moving = slice(None) if ids is None else ids
        physics.rows[:] = state.simulator
        self._configure(self._goals(state))
        if simulation.limit is not None:
            physics.qvel[moving] = simulation.limit(physics.qvel[moving])
        action = bounded(action, 1.0)
        control = action if simulation.control is None else simulation.control(action)
        physics.step(control, simulation.substeps, ids)
        elapsed = state.step + active
        qpos, qvel = (state.simulator[:, self.columns[name]] for name in ("qpos", "qvel"))
        goal = self._goals(state)
        before, after = View(qpos, qvel, {}, goal, state.step), self._view(goal, elapsed)
        observation = simulation.observe(after)
        reward, terminated, success = simulation.judge(before, action, after, observation)
        truncated = (elapsed >= simulation.horizon) & ~terminated  # success wins over the time limit
        # Derived fields of rows that did not move are not current; they keep the observation they had.
        kept = observation if ids is None else np.where(active[:, None], observation, state.observation)
        moved = state._replace(simulator=physics.rows.copy(), step=elapsed, observation=kept)
        (ended,) = ((terminated | truncated) & active).nonzero()
        if len(ended):
            moved = self._fresh(moved, ended)
        return moved, Step(observation, reward, terminated, truncated, success)

    def render(self, state: EnvState, row: int) -> np.ndarray:
        """See `BatchEnv`."""
        model = self.simulation.model
        if self.physics.fields:
            model = copy.copy(model)  # with the fields of the row
            self.physics.rows[:] = state.simulator
            self._configure(self._goals(state))
            for name, values in self.physics.fields.items():
                getattr(model, name)[:] = values[row]
        qpos = state.simulator[row, self.columns["qpos"]]
        return pictures.picture(model, qpos, self._goals(state)[row], self.simulation.camera)


def batch_env(simulation: Simulation, rows: int, threads: int) -> BatchEnv:
    """n environments with one thread pool. Results depend neither on threads nor on what other rows do.

    Args:
      simulation: the task.
      rows: n.
      threads: size of the pool, at most; 0 uses every core. Few rows of a small model have fewer.

    Raises:
      ValueError: from `reset`, if its streams do not have the shape `[rows, 2]`.
    """
    shared = _Rows(simulation, rows, threads)
    return BatchEnv(
        reset=shared.reset,
        step=shared.step,
        place=shared.place,
        snapshot=shared.snapshot,
        render=shared.render,
        limit=lambda steps: batch_env(simulation._replace(horizon=steps), rows, threads),
        rows=rows,
        spec=TaskSpec(vector(shared.observation_size), unit_box(simulation.model.nu), simulation.horizon),
    )
