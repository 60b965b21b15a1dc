"""Large datasets in shards: files that several processes write, and that an interrupted run finds again."""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

import numpy as np

from rankq_jax.data.sources import containers
from rankq_jax.errors import InputError
from rankq_jax.types import SIMULATOR_STATE, Episodes

INFO = ("desired_goal", *SIMULATOR_STATE)  # what a shard keeps besides the steps


def save(episodes: Episodes, path: Path) -> None:
    """Writes a shard, all or nothing."""
    arrays = {name: value for name, value in episodes._asdict().items() if name != "info"}
    arrays |= {f"info/{name}": value for name, value in episodes.info.items()}
    unfinished = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        np.savez(unfinished, **arrays)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def load(path: Path) -> Episodes:
    """Reads a shard.

    Raises:
      InputError: if it is damaged.
    """
    names = [name for name in Episodes._fields if name != "info"]
    saved = containers.read(path, [*names, *(f"info/{name}" for name in INFO)])
    missing = [name for name in names if name not in saved]
    if missing:
        raise InputError(f"{path}: field {missing[0]!r} is missing; delete the file and start again.")
    info = {name: saved[f"info/{name}"] for name in INFO if f"info/{name}" in saved}
    return Episodes(**{name: saved[name] for name in names}, info=info)


def _quiet() -> None:
    # Ctrl-C reaches the whole process group; the parent alone answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextlib.contextmanager
def _pool(processes: int) -> Iterator[ProcessPoolExecutor]:
    # Threads of JAX do not survive a fork.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_quiet)
    try:
        yield pool
    except BaseException:
        for worker in list(pool._processes.values()):
            worker.terminate()
        pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()


def make(
    one: Callable[[int, Path], Any],
    paths: list[Path],
    processes: int,
    done: Callable[[int], Any] = lambda index: None,
) -> None:
    """Makes the shards that are not there yet.

    Args:
      one: `(index, path)` makes one; it is pickled.
      paths: of all shards. Those that exist are left as they are.
      processes: that work at once.
      done: told the index of each shard when it is there, also of those that were found.

    Raises:
      Exception: whatever `one` raises; finished shards stay.
    """
    missing = [index for index, path in enumerate(paths) if not path.exists()]
    for index in sorted(set(range(len(paths))) - set(missing)):
        done(index)
    if not missing:
        return
    with _pool(min(processes, len(missing))) as pool:
        waiting = {pool.submit(one, index, paths[index]): index for index in missing}
        while waiting:
            ready, _ = wait(waiting, timeout=0.5, return_when=FIRST_EXCEPTION)
            for future in ready:
                future.result()
                done(waiting.pop(future))
