"""Datasets of any format as training data of a task."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np

from rankq_jax.data import labels, sources
from rankq_jax.data.chunks import chunked
from rankq_jax.data.clipping import clipped
from rankq_jax.data.episodes import concatenate
from rankq_jax.data.prepare import RewardTransform, best, best_rows, prepare
from rankq_jax.data.readings import READINGS, Summary, summary
from rankq_jax.data.recording import SUCCESS_FLAGS, Origin, Recording
from rankq_jax.data.rules import Labeled, Recorded
from rankq_jax.data.rules.labels import AS_RECORDED, DENSE
from rankq_jax.data.sources.layouts import read_mapping
from rankq_jax.data.sources.selection import Wanted, keys_of
from rankq_jax.data.validate import check_labels, check_recorded, warn_of_long_episodes
from rankq_jax.envs.maze_map import inside
from rankq_jax.errors import InputError, suggestion
from rankq_jax.tasks import recorded as recorded_tasks
from rankq_jax.tasks.task import Task
from rankq_jax.types import Episodes, Transition

# Names and paths, with commas between; arrays by the names of D4RL; recorded episodes with flags of success.
Dataset = str | Mapping[str, np.ndarray] | Episodes


def _read(dataset: Dataset, wanted: Wanted) -> Iterator[tuple[str, Recording]]:
    if isinstance(dataset, str):
        yield from sources.read_each(dataset, wanted)
    elif isinstance(dataset, Episodes):
        yield "episodes", Recording(dataset, Origin(success=SUCCESS_FLAGS))
    else:
        yield "arrays", read_mapping(dataset, wanted)


def _single(episodes: Episodes) -> Episodes:
    """Episodes whose observations are in single precision, where a file has them in half."""

    def one(leaf: np.ndarray) -> np.ndarray:
        return leaf.astype(np.float32) if leaf.dtype == np.float16 else leaf

    observation, following = jax.tree.map(one, (episodes.observation, episodes.next_observation))
    return episodes._replace(observation=observation, next_observation=following)


def recordings(
    task: Task, dataset: Dataset, keys: str = "", clip_actions: bool = False
) -> Iterator[tuple[str, Recorded]]:
    """The sources of a dataset, one at a time: where each lies, and what the rules of a recording judge.

    Args:
      task: what the data is for.
      dataset: names and paths, see `data.sources.read_one`; arrays by name; episodes.
      keys: names of the observations that are joined to one vector, where a source names them.
      clip_actions: whether actions beyond the limits are clipped; they break a rule otherwise.

    Raises:
      InputError: if a source is missing, damaged or of another format.
    """
    spec, scene = task.recorded_spec, task.scene
    maze = (scene.max_step, functools.partial(inside, scene.map)) if scene else (None, None)
    longest = spec.horizon + 1 if task.longest is None else task.longest
    like = None if spec.flat else spec.observation
    if keys and like is not None:
        raise InputError(
            f"keys={keys!r}: observations of task {task.name!r} are {spec.words[0]}, of which no vector is "
            "joined; leave keys out."
        )
    wanted = Wanted(spec.observation_size, keys=keys_of(keys), like=like)
    known = recorded_tasks.take(dataset, keys) if task.recorded and isinstance(dataset, str) else None
    for source, (episodes, origin) in _read(dataset, wanted) if known is None else [known]:
        plain, rows = _single(episodes._replace(info={})), 0
        if clip_actions:
            plain, rows = clipped(plain)
        sizes = spec.observation_size, spec.action_size
        allowed = Recorded(plain, *sizes, *maze)
        allowed = allowed._replace(limits=task.limits, longest=longest, origin=origin)
        yield source, allowed._replace(clipped=rows, spec=spec, world=task.world)


def label(task: Task, recorded: Episodes, reading: str) -> Episodes:
    """Episodes that lack nothing as a reading makes training data of them, see `label_source`."""
    whole = Recorded(recorded, task.spec.observation_size, task.spec.action_size, spec=task.spec)
    return label_source(task, whole, reading, task.name, needs_success=False)[0]


def label_source(
    task: Task, recorded: Recorded, reading: str, source: str, needs_success: bool
) -> tuple[Episodes, str]:
    """One source as a reading makes training data of it, and where success comes from, in words.

    Args:
      task: what the data is for; with a dense reward it is taken as recorded.
      recorded: what `recordings` returned for the source.
      reading: name in `data.readings.READINGS`.
      source: what messages begin with.
      needs_success: whether the data is of no use without labels of success.

    Raises:
      InputError: if the reading is unknown, or the labels that it needs are not in the source.

    Warns:
      UserWarning: if rows are left out, because what followed a terminal is not in the source.
    """
    if reading not in READINGS:
        raise InputError(f"unknown reading {reading!r} of a dataset.{suggestion(reading, READINGS)}")
    if task.success is None:
        return labels.dense(recorded, source, needs_success)
    return labels.sparse(recorded, source, reading, task.success, task.rewards)


def prepared(
    task: Task, parts: Sequence[Episodes], reading: str, transform: RewardTransform, gamma: float
) -> Labeled:
    """Labeled sources as training data, with what the rules of labels judge it by.

    Args:
      task: what the data is for.
      parts: what `label` returned for each source.
      reading: what it was labeled by.
      transform: of the raw rewards.
      gamma: discount per environment step.
    """
    episodes = concatenate(parts)
    return Labeled(
        episodes,
        prepare(episodes, transform, gamma),
        transform,
        gamma,
        rewards=None if task.success is None else task.rewards,
        terminates=reading != "rlpd",
        unjudged=AS_RECORDED if task.sparse else DENSE,
    )


class Source(NamedTuple):
    """One source of a dataset as training data.

    Attributes:
      name: what messages begin with.
      episodes: labeled by a reading.
      success_from: where success comes from, in words.
      clipped: the number of rows whose actions were clipped.
    """

    name: str
    episodes: Episodes
    success_from: str
    clipped: int


def labeled_sources(
    task: Task,
    dataset: Dataset,
    reading: str,
    needs_success: bool = False,
    keys: str = "",
    clip_actions: bool = False,
) -> Iterator[Source]:
    """The sources of a dataset, one at a time, each judged by the rules of a recording and then labeled.

    Its arguments, errors and warnings are those of `described`.
    """
    for source, recorded in recordings(task, dataset, keys, clip_actions):
        check_recorded(recorded, source)
        whole = recorded
        if task.chunk is not None:
            whole = recorded._replace(episodes=chunked(recorded.episodes, *task.chunk))
        episodes, origin = label_source(task, whole, reading, source, needs_success)
        warn_of_long_episodes(recorded, source, task.recorded_spec.horizon)
        yield Source(source, episodes, origin, recorded.clipped)


def load(
    task: Task,
    dataset: Dataset,
    transform: RewardTransform,
    gamma: float,
    keep_best: float = 1.0,
    reading: str = "task",
    needs_success: bool = False,
    keys: str = "",
    clip_actions: bool = False,
) -> Transition:
    """The training data of `described`; its arguments and errors."""
    how = keep_best, reading, needs_success, keys, clip_actions
    return described(task, dataset, transform, gamma, *how)[0]


def described(
    task: Task,
    dataset: Dataset,
    transform: RewardTransform,
    gamma: float,
    keep_best: float = 1.0,
    reading: str = "task",
    needs_success: bool = False,
    keys: str = "",
    clip_actions: bool = False,
) -> tuple[Transition, Summary]:
    """A dataset as training data of the task; every rule that matters to training holds for it.

    Args:
      task: what the data is labeled for.
      dataset: comma-separated names and paths, see `data.sources.read_one`.
      transform: of the raw rewards.
      gamma: discount per environment step.
      keep_best: share of the trajectories that is kept, see `data.prepare.best`.
      reading: name in `data.readings.READINGS`.
      needs_success: whether the algorithm learns from labels of success though the reward is dense.
      keys: as `recordings`.
      clip_actions: as `recordings`.

    Returns:
      A `Transition` of numpy arrays `[N, ...]`, and what it holds.

    Raises:
      InputError: if the reading is unknown, or the dataset is missing, damaged, breaks a rule or does not fit
        the task.

    Warns:
      UserWarning: if recorded episodes are longer than those of the task.
    """
    parts = list(labeled_sources(task, dataset, reading, needs_success, keys, clip_actions))
    origins = dict.fromkeys(part.success_from for part in parts)
    whole = prepared(task, [part.episodes for part in parts], reading, transform, gamma)
    check_labels(whole, dataset if isinstance(dataset, str) else "dataset")
    episode, data = whole.episodes.episode, best(whole.episodes, whole.prepared, keep_best)
    if keep_best < 1.0:
        episode = episode[best_rows(whole.episodes, whole.prepared, keep_best)]
    told = summary(reading, ", ".join(origins), episode, data)
    return data, told._replace(clipped=sum(part.clipped for part in parts))
