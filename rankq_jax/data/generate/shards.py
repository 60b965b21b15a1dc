"""Large datasets in shards: files that several processes write, and that an interrupted run finds again."""

import contextlib
import hashlib
import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rankq_jax import files
from rankq_jax.data.export import npz_bytes
from rankq_jax.data.observations import keys_of, named
from rankq_jax.data.sources import containers
from rankq_jax.environments import SIMULATOR_STATE
from rankq_jax.errors import InputError
from rankq_jax.types import Episodes

INFO = ("desired_goal", *SIMULATOR_STATE)  # what a shard keeps besides the steps


def save(episodes: Episodes, path: Path) -> None:
    """Writes a shard, all or nothing."""
    arrays: dict[str, Any] = {}
    for name, value in episodes._asdict().items():
        arrays |= {} if name == "info" else named(name, value)
    arrays |= {f"info/{name}": value for name, value in episodes.info.items()}
    files.write(path, npz_bytes(arrays))


def load(path: Path, like: Any = None) -> Episodes:
    """Reads a shard.

    Args:
      path: of the shard.
      like: the specification of one observation; None: it is one array.

    Raises:
      InputError: if it is damaged.
    """
    try:
        return _load(path, np.zeros(0) if like is None else like)
    except InputError as error:
        raise InputError(f"{error} Delete it and run the same command again.") from error


def _load(path: Path, like: Any) -> Episodes:
    fields = {
        name: keys_of(name, like if name in ("observation", "next_observation") else np.zeros(0))
        for name in Episodes._fields
        if name != "info"
    }
    wanted = [key for keys in fields.values() for key in keys.values()]
    saved = containers.read(path, [*wanted, *(f"info/{name}" for name in INFO)])
    missing = [key for key in wanted if key not in saved]
    if missing:
        raise InputError(f"{path}: field {missing[0]!r} is missing.")
    info = {name: saved[f"info/{name}"] for name in INFO if f"info/{name}" in saved}
    columns: dict[str, Any] = {name: [saved[key] for key in keys.values()] for name, keys in fields.items()}
    for name, leaves in columns.items():
        single = name not in ("observation", "next_observation")
        columns[name] = leaves[0] if single else jax.tree.unflatten(jax.tree.structure(like), leaves)
    return Episodes(**columns, info=info)


def _start_worker() -> None:
    # Ctrl-C reaches the whole process group; the parent alone answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # it was killed and can ask for nothing any more


@contextlib.contextmanager
def claimed(folder: Path, maker: str) -> Iterator[None]:
    """The folder of a dataset's shards, for one process at a time; others wait.

    Args:
      folder: made if it is not there. Shards that another maker left in it are deleted.
      maker: what the shards depend on, as a short text.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with files.claimed(_lock(folder)):
        note = folder / "maker"
        if folder.exists() and not (note.exists() and note.read_text() == maker):
            shutil.rmtree(folder)
        folder.mkdir(exist_ok=True)
        files.write(note, maker.encode())
        files.remove_leftovers(folder)
        yield


def discard(folder: Path) -> None:
    """Removes the shards of a dataset that is finished, unless a process is at work with them."""
    lock = _lock(folder)
    if folder.exists() or lock.exists():
        with files.claimed(lock, wait=False) as held:
            if held:
                shutil.rmtree(folder, ignore_errors=True)


def _lock(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def fingerprint() -> str:
    """Of the code, models and policies that data is made with."""
    digest = hashlib.sha256()
    package = Path(__file__).resolve().parents[2]
    for part in ("envs", "tasks", "data/generate"):
        for path in sorted((package / part).rglob("*")):
            if path.suffix in (".py", ".xml", ".npz"):
                digest.update(path.read_bytes())
    return digest.hexdigest()


@contextlib.contextmanager
def _pool(processes: int) -> Iterator[ProcessPoolExecutor]:
    # Threads of JAX do not survive a fork.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_start_worker)
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
      InputError: if a process was killed.
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
                try:
                    future.result()
                except BrokenProcessPool as error:
                    raise InputError(
                        "a process that makes the data was killed, perhaps for want of memory; use fewer "
                        "processes: making the same dataset again goes on."
                    ) from error
                done(waiting.pop(future))
