"""Training data larger than memory: each source is labeled in turn and kept on disk."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rankq_jax import files
from rankq_jax.data import sources, stored
from rankq_jax.data.prepare import RewardTransform
from rankq_jax.data.readings import Summary, summary
from rankq_jax.data.sources.root import dataset_folder
from rankq_jax.data.stamps import stamps
from rankq_jax.data.validate import check_labels, warn_of_no_failure
from rankq_jax.errors import InputError
from rankq_jax.tasks.task import Task
from rankq_jax.tasks.training_data import Source, labeled_sources, prepared
from rankq_jax.types import Transition


def described(
    task: Task,
    dataset: str,
    transform: RewardTransform,
    gamma: float,
    reading: str = "task",
    needs_success: bool = False,
    keys: str = "",
    clip_actions: bool = False,
) -> tuple[Transition, Summary]:
    """As `training_data.described`, for data that does not fit into memory.

    Sources are read one after another, so that each of them must fit, and not all together. The labeled rows
    lie below Minari's root, in a folder of their own, and are made once for the same files and labels.

    Args:
      task: what the data is labeled for.
      dataset: comma-separated names and paths.
      transform: of the raw rewards.
      gamma: discount per environment step.
      reading: name in `data.readings.READINGS`.
      needs_success: as `training_data.described`.
      keys: as `training_data.described`.
      clip_actions: as `training_data.described`.

    Returns:
      A `Transition` of mapped files `[N, ...]`, and what it holds.

    Raises:
      InputError: as `training_data.described`, and if the disk refuses the rows.
    """
    sources.fetch(dataset)  # before its files are looked at
    key = {
        "task": task.name,
        "dataset": dataset,
        "files": stamps(dataset),
        "transform": list(transform),
        "gamma": gamma,
        "reading": reading,
        "keys": keys,
        "clip_actions": clip_actions,
        "needs_success": needs_success,
        "rewards": list(task.rewards),
        "horizon": task.spec.horizon,
    }
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    folder = dataset_folder("x").parent / f".labeled-{digest}"
    with files.claimed(folder.with_suffix(".lock")):
        if stored.read_about(folder) is None:
            found = labeled_sources(task, dataset, reading, needs_success, keys, clip_actions)
            _write(task, found, dataset, transform, gamma, reading, folder)
    about = stored.read_about(folder)
    return stored.read(folder), Summary(**{**about, "returns": tuple(about["returns"])})


def _write(
    task: Task,
    found: Iterator[Source],
    dataset: str,
    transform: RewardTransform,
    gamma: float,
    reading: str,
    folder: Path,
) -> None:
    """Labels the sources one after another into a new folder, and removes it again if one is refused."""
    summaries: list[Summary] = []

    def labeled() -> Iterator[Transition]:
        for source in found:
            part = prepared(task, [source.episodes], reading, transform, gamma)
            check_labels(part, source.name, outcomes=False)
            told = summary(reading, source.success_from, part.episodes.episode, part.prepared)
            summaries.append(told._replace(clipped=source.clipped))
            yield part.prepared

    def total() -> dict[str, Any]:
        whole = _total(summaries)
        if task.success is not None and whole.successful == 0:
            raise InputError(f"{dataset}: field 'success': no episode succeeds; choose other data.")
        if task.success is not None and whole.successful == whole.episodes:
            warn_of_no_failure(dataset)
        return whole._asdict()

    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True)
        stored.write(labeled(), folder, total)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise InputError(f"{folder}: cannot be written ({error.strerror}); make room.") from error
    except InputError:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _total(parts: list[Summary]) -> Summary:
    """One summary of all sources."""
    parts = [part for part in parts if part.rows]
    rows = sum(part.rows for part in parts)
    return Summary(
        reading=parts[0].reading,
        success_from=", ".join(dict.fromkeys(part.success_from for part in parts)),
        rows=rows,
        episodes=sum(part.episodes for part in parts),
        successful=sum(part.successful for part in parts),
        share=sum(part.share * part.rows for part in parts) / rows,
        terminals=sum(part.terminals for part in parts),
        clipped=sum(part.clipped for part in parts),
        returns=(min(part.returns[0] for part in parts), max(part.returns[1] for part in parts)),
    )
