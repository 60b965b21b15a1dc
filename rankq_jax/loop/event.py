"""What a run tells while it goes on. Between two events the state of the newest one is whole."""

import dataclasses
import functools
from collections.abc import Generator, Mapping, Sequence

import numpy as np

from rankq_jax.evaluation import Evaluation
from rankq_jax.loop.state import Progress, RunState
from rankq_jax.metrics import finite, measured
from rankq_jax.types import Episodes, Measured, Metrics


@dataclasses.dataclass(frozen=True, eq=False)
class PendingUpdates:
    """The updates of one dispatch, which the devices may still be at work on.

    Attributes:
      progress: where the run is when they are done.
      each: `{name: [S, K]}` of every update, on the devices.
      means: `{name: [S]}` over the updates, on the devices.
      seeds: the S seeds.
      answers: `{name: [S]}` of the relabeling that followed them.
      diagnostics: `{name: Measured [S]}` of the critic behind them, on the devices; empty at most dispatches.
    """

    progress: Progress
    each: Metrics
    means: Metrics
    seeds: Sequence[int]
    answers: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    diagnostics: Mapping[str, Measured] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def metrics(self) -> dict[str, np.ndarray]:
        """`{name: [S]}`, means over the updates; waits for the devices.

        Diagnostics are masked arrays, masked where a seed has no such number.

        Raises:
          NumericsError: if a metric is NaN or infinite; names metric, seed and update.
        """
        made = max((value.shape[-1] for value in self.each.values()), default=0)
        means = finite(self.means, self.each, self.seeds, self.progress.updates - made)
        diagnosed = measured(self.diagnostics, self.seeds, self.progress.updates)
        return {**means, **diagnosed, **self.answers}


@dataclasses.dataclass(frozen=True, eq=False)
class Event:
    """What has just happened.

    Attributes:
      phase: the name of the phase.
      state: the run as it is now: to be saved, or to go on from. Its arrays are valid until the next event
        is asked for, which consumes them.
    """

    phase: str
    state: RunState

    @property
    def progress(self) -> Progress:
        """Where the run is."""
        return self.state.progress

    @property
    def updates(self) -> int:
        """Updates of each seed so far."""
        return self.state.progress.updates

    @property
    def env_steps(self) -> int:
        """Environment steps of each seed so far."""
        return self.state.progress.env_steps


@dataclasses.dataclass(frozen=True, eq=False)
class Collected(Event):
    """The environment steps of an iteration were made.

    Attributes:
      episodes: `(index of the seed, Episodes)` of every episode that has ended meanwhile.
    """

    episodes: Sequence[tuple[int, Episodes]]


@dataclasses.dataclass(frozen=True, eq=False)
class Updated(Event):
    """Updates were handed to the devices: one dispatch, or all of an iteration where a phase overlaps.

    The last event of an iteration comes when its updates are finished, and the relabeling behind them.

    Attributes:
      dispatches: in the order of time. Their metrics wait for the devices: who reads those of an event
        after having asked for the next one keeps the devices at work.
    """

    dispatches: Sequence[PendingUpdates]

    @property
    def metrics(self) -> dict[str, np.ndarray]:
        """Those of the last dispatch, `{name: [S]}`; see `PendingUpdates.metrics`."""
        return self.dispatches[-1].metrics


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluating(Event):
    """One more step of an evaluation was made. Closing the run here gives the evaluation up.

    Attributes:
      steps: environment steps that were made at once, over all seeds and episodes.
    """

    steps: int


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluated(Event):
    """An evaluation is over; the state is that of the iteration's end.

    Attributes:
      evaluation: everything that is known of the episodes.
      last: whether it is the last one of the phase.
    """

    evaluation: Evaluation
    last: bool

    @property
    def metrics(self) -> dict[str, np.ndarray]:
        """`{name: [S, n]}` by seed and episode: `return`, `length`, and `success` where the task has it."""
        return self.evaluation.metrics


@dataclasses.dataclass(frozen=True, eq=False)
class EvaluationDue(Event):
    """An evaluation is handed over; the state is that of the iteration's end.

    Attributes:
      before: where the run is as long as the evaluation is not made: a state that is saved with it makes the
        evaluation when it goes on.
      steps: makes the evaluation, as `evaluation.evaluating`. It has a copy of the parameters and may run in
        another thread, beside the rest of the run. Closing it gives the evaluation up.
      checkpoint: whether the phase has a checkpoint here. It belongs to the evaluation, so that the
        `IterationEnd` behind this event has none.
      last: whether it is the last evaluation of the phase.
    """

    before: Progress
    steps: Generator[int, None, Evaluation]
    checkpoint: bool
    last: bool


@dataclasses.dataclass(frozen=True, eq=False)
class IterationEnd(Event):
    """An iteration is over.

    Attributes:
      checkpoint: whether the phase has a checkpoint here, whatever disturbs the run.
      last: whether the run is over.
    """

    checkpoint: bool
    last: bool
