"""The dataset of a configuration, made on first use."""

import functools
from typing import Any

from rankq_jax import configs, registry
from rankq_jax.agents import reads
from rankq_jax.configs import RunConfig, algorithms_of
from rankq_jax.data import readings
from rankq_jax.data.sources import minari
from rankq_jax.errors import InputError
from rankq_jax.tasks import Task, datasets, stored_data, training_data
from rankq_jax.training import build
from rankq_jax.training.progress import shown
from rankq_jax.types import Transition


def make(task: Task, steps: int, seed: int, kind: str = "", processes: int = 0) -> str:
    """Generates a dataset and shows how far it is; returns its Minari name.

    Raises:
      InputError: as `tasks.datasets.make_dataset`.
    """
    about = f"making {task.name} data"  # drawn late, so that a refusal stands on a line of its own
    with shown(steps, "step", about, delay=0.2) as bar:
        # Rows run in step, so a few more steps are taken than are kept.

        def progress(taken: int) -> None:
            bar.update(min(taken, steps - bar.n))

        begin = functools.partial(registry.load_plugins, registry.imports())
        return datasets.make_dataset(task, steps, seed, progress, kind, processes, begin)


def load(config: RunConfig, task: Task) -> tuple[str, Transition, readings.Summary | None]:
    """Name and transitions of `config.dataset`, or of the task's own dataset, made if it is missing.

    The third value is what the transitions hold, None where no dataset is needed.

    Raises:
      InputError: if the dataset is missing, damaged or does not fit the task.
    """
    name, online = config.dataset, config.online
    if not configs.has_dataset(config) and config.collect.env_steps:
        return "", build.example(config, task), None  # gives the shapes; no batch draws from it
    needed = config.offline.updates or online.mixing_ratio or online.mixing_anneal
    needed = needed or config.normalize_observations
    # Experts learn online alone; other tasks keep their dataset's name, by which arms are compared.
    if not name and not needed and (task.success is None or not task.generators):
        return "", build.example(config, task), None  # gives the shapes; no batch draws from it
    if task.chunk is not None:
        _check_overlapping(config, name or task.name)
    if not name:
        steps, seed, kind = config.dataset_steps, config.dataset_seed, config.dataset_kind
        name = datasets.dataset_name(task, steps, seed, kind)
        if not minari.exists(name):
            make(task, steps, seed, kind)
    transform, needs = build.reward_transform(config, task), success_needed(config)
    shared = (task, name, transform, config.discount)
    chosen: Any = {"keys": config.dataset_keys, "clip_actions": config.clip_actions}
    if config.dataset_storage == "disk":
        return name, *stored_data.described(*shared, config.dataset_reading, needs, **chosen)
    found = training_data.described(*shared, config.keep_best, config.dataset_reading, needs, **chosen)
    return name, *found


def _check_overlapping(config: RunConfig, name: str) -> None:
    """Refuses algorithms that read what overlapping rows of control steps do not have.

    Raises:
      InputError: if one does.
    """
    for algorithm in algorithms_of(config):
        for column in ("mc_return", "next_action"):
            if reads(algorithm, column):
                raise InputError(
                    f"{name}: its rows are control steps whose chunks overlap, and no row has its {column}, "
                    f"which {algorithm} reads; choose another algorithm."
                )


def success_needed(config: RunConfig) -> bool:
    """Whether an algorithm of a configuration learns from labels of success."""
    return any(reads(algorithm, "success") for algorithm in algorithms_of(config))
