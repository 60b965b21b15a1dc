"""Environments of gymnasium behind `BatchEnv`, in this process or in several."""

import functools
import itertools
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable
from multiprocessing import util
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv

from rankq_jax.environments import BatchEnv, EnvState, Step
from rankq_jax.envs.gymnasium_rows import Make, make_rows, work
from rankq_jax.envs.streams import draws
from rankq_jax.specs import TaskSpec

Vectorization = Literal["sync", "async"]
PATIENCE = 10.0  # seconds that a process has for ending by itself

_instances = itertools.count()


class Source(NamedTuple):
    """Where environments come from, and what their task is.

    Attributes:
      make: makes one of them; processes get it by cloudpickle.
      spec: what it sees and takes, and the time limit.
      success: key of `info` that says whether the task is solved, or a function of next observations
        `[n, *O] -> [n]` bool; None where nothing says so.
      vectorization: `sync` steps all in this process, `async` in several.
      limited: `steps -> make` with another time limit; None where `make` fixes the longest.
    """

    make: Make
    spec: TaskSpec
    success: str | Callable[[Any], np.ndarray] | None
    vectorization: Vectorization
    limited: Callable[[int], Make] | None = None

    def limit(self, steps: int) -> "Source":
        """The same environments with another time limit.

        Raises:
          ValueError: if it is longer than theirs, which is fixed.
        """
        make = self.make if self.limited is None else self.limited(steps)
        if self.limited is None and steps > self.spec.horizon:
            raise ValueError(f"its environments end their episodes after {self.spec.horizon} steps")
        return self._replace(make=make, spec=self.spec._replace(horizon=steps))


def reset_seed(stream: np.ndarray, episode: int) -> int:
    """The seed of a reset, below 2**31, which every simulator takes.

    Args:
      stream: `[2]`, of the row.
      episode: how many resets the stream has served.
    """
    return int(draws(stream, episode).integers(2**31))


def gymnasium_env(source: Source, rows: int, threads: int) -> BatchEnv:
    """n environments of gymnasium. They are made at the first reset, and again at a reset after `close`.

    A state cannot be read out of them: it is the newest one only that can be stepped. How an episode starts
    depends on its stream and its number, and on nothing else. Actions are scaled from [-1, 1] to the limits.
    Rows that are not active are not stepped.

    Args:
      source: of the environments.
      rows: n.
      threads: the number of processes if they are stepped in several; 0 takes one for each core.

    Raises:
      ValueError: from `reset`, if its streams do not have the shape `[rows, 2]`; from `step`, if the state is
        not the newest.
    """
    own = _Rows(source, rows, threads)
    return BatchEnv(
        reset=own.reset,
        step=own.step,
        spec=source.spec,
        rows=rows,
        exact=False,
        restart=own.restart,
        close=own.close,
        render=own.render,
        limit=lambda steps: gymnasium_env(source.limit(steps), rows, threads),
    )


class _Rows:
    """The functions of a `BatchEnv`, and the vector environment that they share."""

    def __init__(self, source: Source, rows: int, threads: int) -> None:
        self._source, self._count = source, rows
        workers = 1
        if source.vectorization == "async":
            workers = min(rows, threads or len(os.sched_getaffinity(0)))
        self._each = -(-rows // workers)  # rows of a worker; those of the last are not all used
        self._workers = -(-rows // self._each)
        self._vector: VectorEnv | None = None
        self._end: Callable[[], Any] = lambda: None
        self._instance, self._version = next(_instances), 0

    def _opened(self) -> VectorEnv:
        if self._vector is None:
            key = self._source.success if isinstance(self._source.success, str) else ""
            makes: list[Callable[[], Any]] = [
                functools.partial(make_rows, self._source.make, key, self._each, index)
                for index in range(self._workers)
            ]
            self._vector = _several(makes) if self._source.vectorization == "async" else _here(makes)
            # Before Python ends it ends processes by a signal, which those of environments do not hear.
            self._end = util.Finalize(self, _close, (self._vector,), exitpriority=10)
        return self._vector

    def close(self) -> None:
        """See `BatchEnv`."""
        self._end()
        self._vector, self._end = None, lambda: None
        self._version += 1  # no state is the newest

    def _by_worker(self, values: np.ndarray) -> np.ndarray:
        """`[n, ...] -> [w, k, ...]`, with zeros for the rows that are not used."""
        found = np.zeros((self._workers * self._each, *values.shape[1:]), values.dtype)
        found[: self._count] = values
        return found.reshape(self._workers, self._each, *values.shape[1:])

    def _by_row(self, values: Any) -> Any:
        """`[w, k, ...] -> [n, ...]`."""
        return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[: self._count], values)

    def _mark(self) -> np.ndarray:
        """`[n, 2]`, by which the newest state is known."""
        self._version += 1
        return np.tile(np.array([self._instance, self._version], np.int64), (self._count, 1))

    def _fresh(self, state: EnvState, rows: np.ndarray) -> EnvState:
        """Some rows `[n]` bool at the start of their next episode."""
        vector = self._opened()
        seeds = np.zeros(self._count, np.int64)
        for i in np.flatnonzero(rows):
            seeds[i] = reset_seed(state.stream[i], int(state.episode[i]))
        chosen = self._by_worker(rows)
        if rows.all():
            chosen[:] = True  # those that are not used must have been reset, too
        options = {"rows": chosen, "seeds": self._by_worker(seeds), "reset_mask": chosen.any(axis=1)}
        observation, _ = vector.reset(options=options)
        return state._replace(
            simulator=self._mark(),
            step=np.where(rows, 0, state.step).astype(np.int32),
            episode=state.episode + rows,
            observation=self._by_row(observation),
        )

    def restart(self, state: EnvState) -> EnvState:
        """See `BatchEnv`."""
        return self._fresh(state, np.ones(self._count, bool))

    def reset(self, stream: np.ndarray) -> EnvState:
        """See `BatchEnv`."""
        n = self._count
        if stream.shape != (n, 2):
            raise ValueError(f"{n} rows need streams of shape {(n, 2)}, not {stream.shape}")
        blank = EnvState(
            simulator=None,
            step=np.zeros(n, np.int32),
            stream=np.asarray(stream, np.uint64),
            episode=np.zeros(n, np.int64),
            observation=None,
        )
        return self.restart(blank)

    def render(self, state: EnvState, row: int) -> np.ndarray:
        """See `BatchEnv`.

        Raises:
          InputError: if the environment draws no pictures.
        """
        self._check_newest(state)
        worker, index = divmod(row, self._each)
        vector: Any = self._opened()
        picture: np.ndarray = vector.call("picture", index)[worker]
        return picture

    def _check_newest(self, state: EnvState) -> None:
        if not (state.simulator == (self._instance, self._version)).all():
            raise ValueError("state is not the newest; environments of gymnasium cannot go back: `restart`")

    def step(self, state: EnvState, action: np.ndarray, active: np.ndarray) -> tuple[EnvState, Step]:
        """See `BatchEnv`."""
        self._check_newest(state)
        spec, success = self._source.spec, self._source.success
        scaled = spec.action.to_box(np.asarray(action, np.float64))
        words = self._by_worker(np.concatenate([active[:, None], scaled], axis=1))
        observed, *_, info = self._opened().step(words)
        observation = self._by_row(observed)
        reward, terminated, ended, reached = (
            self._by_row(info[name]) for name in ("reward", "terminated", "truncated", "success")
        )
        if callable(success):
            reached = np.asarray(success(observation), bool)
        elapsed = (state.step + active).astype(np.int32)
        truncated = (ended | (elapsed >= spec.horizon)) & ~terminated
        moved = state._replace(simulator=self._mark(), step=elapsed, observation=observation)
        over = (terminated | truncated) & active
        if over.any():
            moved = self._fresh(moved, over)
        return moved, Step(observation, reward, terminated, truncated, reached)


def _here(makes: list[Callable[[], Any]]) -> VectorEnv:
    return SyncVectorEnv(makes, autoreset_mode=AutoresetMode.DISABLED)


def _several(makes: list[Callable[[], Any]]) -> VectorEnv:
    # JAX has threads, for which a fork of this process would wait forever. A server forks, which has none.
    # Its children import a script again, which has imported what this module has.
    script = getattr(sys.modules["__main__"], "__spec__", None) is None
    multiprocessing.set_forkserver_preload([__name__ if script else make_rows.__module__])
    disabled = AutoresetMode.DISABLED
    try:
        return AsyncVectorEnv(makes, context="forkserver", worker=work, autoreset_mode=disabled)
    except EOFError as error:
        raise RuntimeError(
            "a process of the environments ended while it started, see above; a script that makes them must "
            "do so below `if __name__ == '__main__':`"
        ) from error


def _close(vector: VectorEnv) -> None:
    """Closes environments; a process that does not end by itself is killed."""
    processes: list[Any] = getattr(vector, "processes", [])
    late = threading.Timer(2 * PATIENCE, lambda: [process.kill() for process in processes])
    late.daemon = True
    late.start()
    try:
        vector.close(**({"timeout": PATIENCE} if processes else {}))
    except (OSError, EOFError):  # of processes that have ended already
        vector.closed = True
    finally:
        late.cancel()
