"""What a task allows a recording to do, and the rules about its steps and their number."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import numpy as np

from rankq_jax.data.episodes import lengths
from rankq_jax.data.recording import Origin
from rankq_jax.data.rules.rule import Finding, blocks
from rankq_jax.specs import TaskSpec
from rankq_jax.types import Episodes


class StepLimit(NamedTuple):
    """Something that no step of a task does, but a reset does.

    Attributes:
      measure: `(observation [n, O], next_observation [n, O], action [n, A]) -> [n]`.
      most: the most that a step makes of it.
      words: what the measured number tells, the beginning of a sentence.
      unit: of the number.
    """

    measure: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    most: float
    words: str
    unit: str


class Recorded(NamedTuple):
    """A recording and what its task allows.

    Attributes:
      episodes: what a loader returned.
      observation_size: length of an observation vector of the task.
      action_size: length of an action vector of the task.
      max_step: metres that a step in a maze can make at most; None without a maze.
      inside: `position [n, 2] -> [n]` bool, whether it lies in a free cell; None without a maze.
      limits: what else a step of the task does not do.
      longest: steps that an episode can have at most; None: not judged.
      origin: where columns of the recording come from.
      spec: of the task; None: observations are vectors of `observation_size` numbers.
      clipped: number of the rows whose actions were clipped.
      world: of the task, see `Task.world`.
    """

    episodes: Episodes
    observation_size: int
    action_size: int
    max_step: float | None = None
    inside: Callable[[np.ndarray], np.ndarray] | None = None
    limits: tuple[StepLimit, ...] = ()
    longest: int | None = None
    origin: Origin = Origin()
    clipped: int = 0
    spec: TaskSpec | None = None
    world: Mapping[str, Any] = MappingProxyType({})

    @property
    def flat(self) -> bool:
        """Whether observations are vectors."""
        return self.spec is None or self.spec.flat


def unknown_rows(recording: Recorded) -> tuple[np.ndarray, np.ndarray]:
    """Terminals whose next observation may be that of another step.

    A terminal that is followed by the following row leads there if such a step is possible. One that is not
    shows that the terminals of the source are followed by resets, and then none of them is trusted; nor is
    any where nothing is known about the steps of the task.

    Returns:
      `[T]` bool, which rows these are, and `[T]` bool, which of them no step makes.
    """
    data, unknown = recording.episodes, recording.origin.unknown
    jumps = np.zeros(len(data.reward), bool)
    if unknown is None or not unknown.any():
        return jumps, jumps
    measures, rows = _limits(recording), np.flatnonzero(unknown)
    step = _steps(data, rows)
    for limit in measures:
        jumps[rows] |= ~(limit.measure(*step) <= limit.most)
    return (unknown if jumps.any() or not measures else jumps), jumps


def _steps(data: Episodes, rows: Any) -> tuple[Any, Any, np.ndarray]:
    """Observations, next observations and actions of some rows."""
    return jax.tree.map(lambda leaf: leaf[rows], (data.observation, data.next_observation, data.action))


def _moved(observation: np.ndarray, following: np.ndarray, action: np.ndarray) -> np.ndarray:
    moved = following[:, :2] - observation[:, :2]
    return np.hypot(moved[:, 0], moved[:, 1]).astype(np.float32)


def _limits(recording: Recorded) -> tuple[StepLimit, ...]:
    maze = (
        ()
        if recording.max_step is None
        else (StepLimit(_moved, recording.max_step, "the position moves by", " m"),)
    )
    return (*maze, *recording.limits)


def jump(recording: Recorded) -> Finding:
    """Whether a step moves further than the task allows, as a reset within an episode would."""
    limits, data = _limits(recording), recording.episodes
    if not limits:
        return Finding(None, "nothing is known about steps of this task")
    steps, measured, first_found = ~unknown_rows(recording)[0], [], None
    for limit in limits:
        value = np.empty(len(data.reward), np.float32)
        for rows in blocks(len(value)):
            value[rows] = limit.measure(*_steps(data, rows))
        value = np.where(steps, value, np.float32(0.0))
        largest = value.max(initial=0.0)
        measured.append(f"{largest:.4g}{limit.unit} at most, {limit.most:.4g}{limit.unit} are possible")
        far = ~(value <= limit.most)
        if far.any() and (first_found is None or int(np.argmax(far)) < first_found[1]):
            row = int(np.argmax(far))
            told = f"{limit.words} {value[row]:.4g}{limit.unit}, a step makes {limit.most:.4g}{limit.unit}"
            first_found = (f"{told} at most,", row)
    if first_found is None:
        return Finding(True, "; ".join(measured))
    return Finding(False, "; ".join(measured), *first_found)


def duration(recording: Recorded) -> Finding:
    """Whether an episode has more steps than the task allows."""
    episode, most = recording.episodes.episode, recording.longest
    if most is None or not len(episode):
        return Finding(None, "the task has no time limit")
    steps = lengths(recording.episodes)
    measured = f"{int(steps.max())} steps at most, {most} are possible"
    long = steps > most
    if not long.any():
        return Finding(True, measured)
    index = int(np.argmax(long))
    problem = f"an episode has {int(steps[index])} steps where the task allows {most}; it goes on"
    return Finding(False, measured, problem, int(steps[:index].sum()) + most)
