"""Datasets of any format as training data of a task."""

import functools
from collections.abc import Iterator, Sequence

from rankq_jax.data import sources
from rankq_jax.data.episodes import concatenate
from rankq_jax.data.prepare import RewardTransform, best, best_rows, prepare
from rankq_jax.data.readings import READINGS, Summary, summary
from rankq_jax.data.rules import Labelled, Recorded
from rankq_jax.data.validate import check_labels, check_recording
from rankq_jax.envs.maze_map import inside
from rankq_jax.errors import InputError, suggestion
from rankq_jax.tasks.task import Task
from rankq_jax.types import Episodes, Transition


def recordings(task: Task, dataset: str) -> Iterator[tuple[str, Recorded]]:
    """The sources of a dataset, one at a time: where each lies, and what the rules of a recording judge.

    Args:
      task: what the data is for.
      dataset: comma-separated names and paths, see `data.sources.load_one`.

    Raises:
      InputError: if a source is missing, damaged or of another format.
    """
    env, scene = task.environment(1, 1), task.scene
    limits = (scene.max_step, functools.partial(inside, scene.map)) if scene else (None, None)
    for source, episodes in sources.load_each(dataset, env.observation_size):
        plain = episodes._replace(info={})
        yield source, Recorded(plain, env.observation_size, env.action_size, *limits)


def label(task: Task, recorded: Episodes, reading: str) -> Episodes:
    """One source as a reading makes training data of it; of a task with a dense reward as recorded.

    Raises:
      InputError: if the reading is unknown.
    """
    if reading not in READINGS:
        raise InputError(f"unknown reading {reading!r} of a dataset.{suggestion(reading, READINGS)}")
    return recorded if task.success is None else READINGS[reading](recorded, task.success, task.rewards)


def prepared(
    task: Task, parts: Sequence[Episodes], reading: str, transform: RewardTransform, gamma: float
) -> Labelled:
    """Labelled sources as training data, with what the rules of labels judge it by.

    Args:
      task: what the data is for.
      parts: what `label` returned for each source.
      reading: what it was labelled by.
      transform: of the raw rewards.
      gamma: discount per environment step.
    """
    episodes = concatenate(parts)
    return Labelled(
        episodes,
        prepare(episodes, transform, gamma),
        transform,
        gamma,
        rewards=None if task.success is None else task.rewards,
        terminates=reading != "rlpd",
    )


def load(
    task: Task,
    dataset: str,
    transform: RewardTransform,
    gamma: float,
    keep_best: float = 1.0,
    reading: str = "task",
) -> Transition:
    """The training data of `described`; its arguments and errors."""
    return described(task, dataset, transform, gamma, keep_best, reading)[0]


def described(
    task: Task,
    dataset: str,
    transform: RewardTransform,
    gamma: float,
    keep_best: float = 1.0,
    reading: str = "task",
) -> tuple[Transition, Summary]:
    """A dataset as training data of the task; every rule that matters to training holds for it.

    Args:
      task: what the data is labelled for.
      dataset: comma-separated names and paths, see `data.sources.load_one`.
      transform: of the raw rewards.
      gamma: discount per environment step.
      keep_best: share of the trajectories that is kept, see `data.prepare.best`.
      reading: name in `data.readings.READINGS`.

    Returns:
      A `Transition` of numpy arrays `[N, ...]`, and what it holds.

    Raises:
      InputError: if the reading is unknown, or the dataset is missing, damaged, breaks a rule or does not fit
        the task.
    """
    parts = []
    for source, recorded in recordings(task, dataset):
        check_recording(recorded.episodes, source, *recorded[1:])
        parts.append(label(task, recorded.episodes, reading))
    labels = prepared(task, parts, reading, transform, gamma)
    check_labels(labels, dataset)
    episode, data = labels.episodes.episode, best(labels.episodes, labels.prepared, keep_best)
    if keep_best < 1.0:
        episode = episode[best_rows(labels.episodes, labels.prepared, keep_best)]
    return data, summary(reading, "the task's judge", episode, data)
