"""Stepping environments and recording whole episodes: for data sets, for replay and for evaluation."""

import contextlib
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np

from rankq_jax.environments import SIMULATOR_STATE, BatchEnv, EnvState
from rankq_jax.types import Episodes

# (observation [n, *O], step within this call) -> action [n, *A], or (action, info [n, ...])
Act = Callable[[np.ndarray, int], Any]


Result = TypeVar("Result")


class Recorder(NamedTuple):
    """Unfinished episodes of n rows: leaves of `steps` are `[n, horizon, ...]`, row i holds `length[i]`."""

    steps: Episodes
    length: np.ndarray


def _simulator_state(env: BatchEnv, state: EnvState) -> dict[str, np.ndarray]:
    if env.snapshot is None:
        raise ValueError("simulator_state=True: the environment has no snapshots; leave it out")
    snapshot = env.snapshot(state)
    found = {name: getattr(snapshot, name) for name in SIMULATOR_STATE}
    # A task may have no goal, and files hold no arrays without numbers.
    return {name: array for name, array in found.items() if array.shape[1]}


def recorder(
    env: BatchEnv, info: Mapping[str, tuple[int, ...]] | None = None, simulator_state: bool = False
) -> Recorder:
    """A recorder without any step.

    Args:
      env: the environments it will record.
      info: shape per row of each further array that `Act` returns.
      simulator_state: whether to record where the simulator is before each step, `SIMULATOR_STATE` in
        `info`.
    """
    shapes = {**env.info, **(info or {})}
    if simulator_state:
        before = _simulator_state(env, env.reset(np.zeros((env.rows, 2), np.uint64)))
        shapes |= {name: value.shape[1:] for name, value in before.items()}
    n, horizon = env.rows, env.horizon
    flag = np.zeros((n, horizon), bool)
    steps = Episodes(
        observation=env.spec.empty(n, horizon),
        action=np.zeros((n, horizon, *env.spec.action.shape), np.float32),
        reward=np.zeros((n, horizon)),
        next_observation=env.spec.empty(n, horizon),
        terminated=flag,
        truncated=flag.copy(),
        success=flag.copy(),
        episode=np.zeros((n, horizon), np.int64),
        info={name: np.zeros((n, horizon, *shape)) for name, shape in shapes.items()},
    )
    return Recorder(steps, np.zeros(n, np.int64))


@contextlib.contextmanager
def opened(env: BatchEnv) -> Iterator[BatchEnv]:
    """Inside, the environments can be used; afterwards their processes are given back."""
    try:
        yield env
    finally:
        if env.close is not None:
            env.close()


class Collected(NamedTuple):
    """What `collect` returns.

    Attributes:
      state: the environments after the last step.
      recorder: the episodes that are still running.
      episodes: `(row, Episodes)` of every episode that ended, in order of time, then of row.
    """

    state: EnvState
    recorder: Recorder
    episodes: list[tuple[int, Episodes]]


def collect(
    env: BatchEnv,
    state: EnvState,
    running: Recorder,
    act: Act,
    steps: int,
    *,
    once: bool = False,
    progress: Callable[[int], Any] = lambda steps: None,
) -> Collected:
    """Steps every row `steps` times and hands over the episodes that end meanwhile.

    Args:
      env: the environments.
      state: where they are.
      running: their unfinished episodes; it is written to and must not be used again.
      act: chooses the actions of all rows at once.
      steps: per row.
      once: stop each row after its first episode, and return as soon as all rows have stopped.
      progress: told the number of steps taken, over all rows, after each of them.
    """
    return driven(collecting(env, state, running, act, steps, once=once), progress)


def driven(steps: Generator[int, None, Result], progress: Callable[[int], Any]) -> Result:
    """What a generator returns in the end; `progress` is told each number that it yields."""
    while True:
        try:
            number = next(steps)
        except StopIteration as end:
            found: Result = end.value
            return found
        progress(number)


def collecting(
    env: BatchEnv, state: EnvState, running: Recorder, act: Act, steps: int, *, once: bool = False
) -> Generator[int, None, Collected]:
    """As `collect`; yields the number of steps taken, over all rows, after each of them.

    Whoever closes it in the middle loses what was collected.
    """
    active = np.ones(env.rows, bool)
    finished: list[tuple[int, Episodes]] = []
    record, length = running.steps, running.length
    for t in range(steps):
        observation = state.observation
        chosen = act(observation, t)
        action, info = chosen if isinstance(chosen, tuple) else (chosen, {})
        if "qpos" in record.info:
            info = {**info, **_simulator_state(env, state)}
        action = np.asarray(action)
        episode = state.episode - 1
        state, step = env.step(state, action, active)
        rows = np.flatnonzero(active)
        values = Episodes(
            observation, action, step.reward, step.next_observation, step.terminated,
            step.truncated, step.success, episode, {**info, **step.info},
        )  # fmt: skip
        for leaf, value in zip(jax.tree.leaves(record), jax.tree.leaves(values), strict=True):
            leaf[rows, length[rows]] = value[rows]
        length[rows] += 1
        for row in np.flatnonzero((step.terminated | step.truncated) & active):
            end = length[row]
            finished.append((int(row), jax.tree.map(lambda x, r=row, e=end: x[r, :e].copy(), record)))
            length[row] = 0
            active[row] = not once
        yield len(rows)
        if not active.any():
            break
    return Collected(state, Recorder(record, length), finished)
