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
# Steps that reach the record together, and bytes that they may take beside it.
WINDOW, WINDOW_BYTES = 32, 2**24


class Recorder(NamedTuple):
    """Unfinished episodes of n rows: leaves of `steps` are `[n, horizon, ...]`, row i holds `length[i]`.

    While steps are taken `length` counts each at once, and `steps` may lack the newest.
    """

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


class _Window:
    """The newest steps of all rows. An index into the record costs as much for one step as for many."""

    def __init__(self, running: Recorder, steps: int) -> None:
        self._record, self._length = running.steps, running.length
        self._recorded = running.length.copy()
        self._leaves = jax.tree.leaves(running.steps)
        # Of [n, horizon, ...] one step.
        size = sum(leaf.nbytes // max(leaf.shape[1], 1) for leaf in self._leaves)
        self._steps = max(1, min(steps, WINDOW, WINDOW_BYTES // max(size, 1)))
        self._new = [np.empty((self._steps, len(leaf), *leaf.shape[2:]), leaf.dtype) for leaf in self._leaves]
        self._active = np.zeros((self._steps, len(self._length)), bool)
        self._ended = np.zeros_like(self._active)
        self._count = 0

    @property
    def full(self) -> bool:
        """Whether there is no place for another step."""
        return self._count == self._steps

    def add(self, values: Episodes, active: np.ndarray, ended: np.ndarray) -> None:
        """A step of the active rows; leaves `[n, ...]`, which are copied."""
        for new, value in zip(self._new, jax.tree.leaves(values), strict=True):
            new[self._count] = value
        self._active[self._count], self._ended[self._count] = active, ended
        self._length += active
        self._length[ended] = 0
        self._count += 1

    def flush(self) -> list[tuple[int, Episodes]]:
        """Moves the steps to the record; `(row, Episodes)` that have ended, in order of time, then of row."""
        by_row = self._count > len(self._length)  # an index of many rows costs less than each of them
        found = self._rows_moved() if by_row else self._steps_moved()
        self._count = 0
        return found

    def _steps_moved(self) -> list[tuple[int, Episodes]]:
        found = []
        for step in range(self._count):
            rows = np.flatnonzero(self._active[step])
            for leaf, new in zip(self._leaves, self._new, strict=True):
                leaf[rows, self._recorded[rows]] = new[step][rows]
            self._recorded[rows] += 1
            found += [(int(row), self._cut(int(row))) for row in np.flatnonzero(self._ended[step])]
        return found

    def _rows_moved(self) -> list[tuple[int, Episodes]]:
        found: list[tuple[int, int, Episodes]] = []
        for row, count in enumerate(self._active[: self._count].sum(axis=0)):
            begin = 0
            for last in np.flatnonzero(self._ended[:count, row]):
                self._move(row, begin, int(last) + 1)
                found.append((int(last), row, self._cut(row)))
                begin = int(last) + 1
            self._move(row, begin, int(count))
        return [(row, episode) for _, row, episode in sorted(found, key=lambda one: one[:2])]

    def _move(self, row: int, begin: int, end: int) -> None:
        first = self._recorded[row]
        for leaf, new in zip(self._leaves, self._new, strict=True):
            leaf[row, first : first + end - begin] = new[begin:end, row]
        self._recorded[row] += end - begin

    def _cut(self, row: int) -> Episodes:
        """The episode of a row, which has ended."""
        end, self._recorded[row] = self._recorded[row], 0
        whole: Episodes = jax.tree.map(lambda x: x[row, :end].copy(), self._record)
        return whole


def collecting(
    env: BatchEnv, state: EnvState, running: Recorder, act: Act, steps: int, *, once: bool = False
) -> Generator[int, None, Collected]:
    """As `collect`; yields the number of steps taken, over all rows, after each of them.

    Whoever closes it in the middle loses what was collected.
    """
    active = np.ones(env.rows, bool)
    finished: list[tuple[int, Episodes]] = []
    window, states = _Window(running, steps), "qpos" in running.steps.info
    for t in range(steps):
        observation = state.observation
        chosen = act(observation, t)
        action, info = chosen if isinstance(chosen, tuple) else (chosen, {})
        if states:
            info = {**info, **_simulator_state(env, state)}
        action = np.asarray(action)
        episode = state.episode - 1
        state, step = env.step(state, action, active)
        values = Episodes(
            observation, action, step.reward, step.next_observation, step.terminated,
            step.truncated, step.success, episode, {**info, **step.info},
        )  # fmt: skip
        ended, moved = (step.terminated | step.truncated) & active, int(np.count_nonzero(active))
        window.add(values, active, ended)
        if window.full:
            finished += window.flush()
        if once:
            active = active & ~ended
        yield moved
        if not active.any():
            break
    return Collected(state, running, finished + window.flush())
