"""Datasets that tasks make for themselves, below Minari's root."""

import functools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rankq_jax import files
from rankq_jax.data.episodes import concatenate
from rankq_jax.data.generate import shards, store
from rankq_jax.data.sources.minari_metadata import WORLD
from rankq_jax.data.sources.root import dataset_folder
from rankq_jax.envs.streams import stream_seed
from rankq_jax.errors import InputError, suggestion
from rankq_jax.tasks.task import Generator, Task
from rankq_jax.types import Episodes

MOST_STEPS = 1_000_000_000


def generator_of(task: Task, kind: str = "") -> tuple[str, Generator]:
    """The name of a way to make the task's own dataset, and the way itself.

    Args:
      task: whose.
      kind: name of the way; empty: the first.

    Raises:
      InputError: if the task has none, or none of that name.
    """
    if not task.generators:
        raise InputError(
            f"task {task.name!r} has no dataset of its own: give a dataset, or train online only "
            "(offline.updates=0, online.mixing_ratio=0)."
        )
    name = kind or next(iter(task.generators))
    if name not in task.generators:
        raise InputError(
            f"kind {name!r}: no way to make data of task {task.name!r}.{suggestion(name, task.generators)}"
        )
    return name, task.generators[name]


def default_steps(task: Task) -> int:
    """Transitions of the task's own dataset; 0 if it has none."""
    return generator_of(task)[1].steps if task.generators else 0


def dataset_name(task: Task, steps: int, seed: int, kind: str = "") -> str:
    """Minari name of the dataset that `make_dataset` writes for these arguments.

    Raises:
      InputError: if the task has no such dataset of its own.
    """
    size = f"{steps // 1000}k" if steps % 1000 == 0 else str(steps)
    return f"{task.name}/{generator_of(task, kind)[0]}-{size}-seed{seed}-v0"


def _sizes(steps: int, shard_steps: int) -> list[int]:
    whole, rest = divmod(steps, shard_steps)
    return [shard_steps] * whole + ([rest] if rest else [])


def _shard(
    task_name: str,
    kind: str,
    sizes: list[int],
    seed: int,
    begin: Callable[[], Any],
    index: int,
    path: Path,
) -> None:
    """Makes one shard in a process of its own, which looks the task up again after `begin`."""
    from rankq_jax import tasks  # the registry imports what this module belongs to

    begin()
    own = seed if index == 0 else stream_seed(seed, index, 0, 0)
    generator = tasks.find(task_name).generators[kind]
    shards.save(generator.make(sizes[index], own, 1, lambda steps: None), path)


def _about(task: Task, steps: int, seed: int, kind: str) -> dict[str, Any]:
    """The metadata of a dataset, by which it is known again."""
    return {
        "author": {"rankq_jax"},
        "algorithm_name": task.generators[kind].algorithm,
        "description": f"{task.name}, {kind}: {steps} steps, seed {seed}",
        **({WORLD: dict(task.world)} if task.world else {}),
    }


def _without_leftovers(name: str) -> Path:
    """The folder of the shards of a dataset, after what a killed maker left has been removed."""
    top = store.root(name)
    folder = top / f".shards-{name.replace('/', '-')}"
    files.remove_leftovers(top)
    if dataset_folder(name).exists():
        shards.discard(folder)
    return folder


def is_made(task: Task, steps: int, seed: int, kind: str = "") -> bool:
    """Whether the dataset of these arguments of `make_dataset` is there, finished.

    What a killed maker of it has left beside it is removed.

    Raises:
      InputError: if another one has its name, or it is damaged; names the field and both values.
    """
    kind, _ = generator_of(task, kind)
    name = dataset_name(task, steps, seed, kind)
    _without_leftovers(name)
    if not dataset_folder(name).exists():
        return False
    store.check_same(name, _about(task, steps, seed, kind))
    return True


def make_dataset(
    task: Task,
    steps: int,
    seed: int,
    progress: Callable[[int], Any] = lambda steps: None,
    kind: str = "",
    processes: int = 0,
    begin: Callable[[], Any] = dict,
) -> str:
    """Generates a dataset and writes it under Minari's root.

    Large ones are made in shards, by several processes. The result does not depend on how many. Finished
    shards stay in a hidden folder of the root until all are there: the same call goes on after them.

    Args:
      task: whose dataset.
      steps: transitions at least; whole episodes are written.
      seed: of starts, goals and action noise.
      progress: told the number of steps taken after each batch of them.
      kind: name of the way, see `Task.generators`; empty: the first.
      processes: that work at once; 0 uses every core.
      begin: called first in each of them, to register the task if another package has it. It is pickled.

    Returns:
      Its Minari name.

    Raises:
      InputError: if `steps` is out of bounds, the dataset exists, or the disk refuses it.
    """
    if not 1 <= steps <= MOST_STEPS:
        raise InputError(f"steps={steps}: a dataset has at least one step and at most {MOST_STEPS}.")
    kind, generator = generator_of(task, kind)
    name = dataset_name(task, steps, seed, kind)
    folder = _without_leftovers(name)
    store.check_absent(name)

    def write(episodes: Episodes) -> None:
        env_specs = generator.env_specs() if generator.env_specs else None
        store.write_minari(episodes, name, env_specs, **_about(task, steps, seed, kind))

    sizes = _sizes(steps, generator.shard_steps)
    if len(sizes) == 1:
        write(generator.make(steps, seed, 0, progress))
        return name
    with shards.claimed(folder, shards.fingerprint()):
        if not dataset_folder(name).exists():  # else another process has made it while this one waited
            paths = [folder / f"{index:05}.npz" for index in range(len(sizes))]
            one = functools.partial(_shard, task.name, kind, sizes, seed, begin)
            workers = processes or len(os.sched_getaffinity(0))
            shards.make(one, paths, workers, lambda index: progress(sizes[index]))
            write(concatenate([shards.load(path, task.spec.observation) for path in paths]))
        shutil.rmtree(folder)
    return name
