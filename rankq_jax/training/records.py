"""What a run leaves in its folder while it trains: records of its events, and checkpoints that name places in
them."""

import contextlib
import math
import time
from pathlib import Path
from typing import Any, NamedTuple

from rankq_jax.checkpoints import Checkpoints, CopiedState, ReplaySnapshot, RestoredCheckpoint
from rankq_jax.configs import RunConfig, task_of
from rankq_jax.evaluation import Evaluation
from rankq_jax.loop import Collected, Evaluated, Event, PendingUpdates, Progress, Stage, Updated
from rankq_jax.timing import Stopwatch
from rankq_jax.training.consumers import Bar, Board, Lines, seconds
from rankq_jax.writers import TensorBoard


class Draft(NamedTuple):
    """A checkpoint that is not written yet.

    Attributes:
      state: a copy.
      notes: where the records were when it was copied.
    """

    state: CopiedState
    notes: dict[str, Any]

    def at(self, progress: Progress) -> "Draft":
        """The same state with another place in the run."""
        return self._replace(state=self.state.with_part("progress", progress))


class Records:
    """Everything written below `--workdir` between the first and the last iteration."""

    def __init__(
        self,
        folder: Path,
        config: RunConfig,
        checkpoints: Checkpoints,
        stopwatch: Stopwatch,
        found: RestoredCheckpoint | None,
    ) -> None:
        """Opens the files in the `--workdir`.

        `found` is the checkpoint that the run goes on from; None starts from nothing. What was written after
        that checkpoint is dropped, because it will be written again.

        Raises:
          InputError: if a file is shorter than it was at the checkpoint.
        """
        nothing = {"metrics": 0, "evaluations": 0, "updates": None, "env_steps": 0}
        keep: dict[str, Any] = found.notes if found else nothing
        task, seeds = task_of(config), [config.seed + i for i in range(config.seeds)]
        self._score = task.measures[0]
        self._lines = Lines(folder, seeds, stopwatch, keep)
        board = Board(TensorBoard(folder / "tensorboard", keep["updates"]), seeds, task)
        self._bar = Bar(config, task, keep["env_steps"])
        self._consumers = (self._bar, self._lines, board)
        self._checkpoints, self._stopwatch = checkpoints, stopwatch
        self._unread: list[tuple[str, PendingUpdates]] = []  # the devices are still at work on them
        self._scored: tuple[int, int, float] | None = None  # updates, environment steps, score
        self._interval = 60.0 * config.checkpoint_minutes
        self._saved = time.monotonic()  # which no change of the system's clock moves

    def write(self, event: Event) -> None:
        """Tells all consumers of an event; of updates in progress only when the next event is there.

        Raises:
          NumericsError: if a metric is NaN or infinite.
        """
        self.settle()
        match event:
            case Updated():
                self._unread = [(event.phase, pending) for pending in event.dispatches]
                if event.progress.stage != Stage.UPDATE:
                    self.settle()
            case Collected():
                self._bar.collected(event)
            case Evaluated():
                self.evaluated(event.phase, event.progress, event.evaluation, event.last)

    def evaluated(self, phase: str, progress: Progress, result: Evaluation, last: bool) -> None:
        """Tells all consumers of an evaluation.

        Args:
          phase: its name.
          progress: where the run was when the policies were copied.
          result: what was found.
          last: whether it is the last one of the phase.
        """
        for consumer in self._consumers:
            consumer.evaluated(phase, progress, result)
        if last:
            self._lines.write_trajectories(phase, result)
        score = self._score.sign * float(result.metrics[self._score.name].mean())
        self._scored = (progress.updates, progress.env_steps, score)

    def settle(self) -> None:
        """Writes the metrics of updates that are not written yet; waits for the devices.

        Raises:
          NumericsError: if a metric is NaN or infinite.
        """
        unread, self._unread = self._unread, []
        for phase, pending in unread:
            metrics = pending.metrics
            for consumer in self._consumers:
                consumer.updated(phase, pending.progress, metrics)

    def checkpoint_due(self) -> bool:
        """Whether a checkpoint is wanted for the time that has passed or an evaluation among the best."""
        if self._scored is not None and self._checkpoints.marks.wants(self._scored[2]):
            return True
        return time.monotonic() - self._saved >= self._interval > 0.0

    def draft(self, parts: dict[str, Any], held: ReplaySnapshot) -> Draft:
        """A checkpoint of a `portable` state; returns when everything is copied.

        Raises:
          InputError: if the one before could not be written.
          Stopped: if that took too long.
        """
        progress = parts["progress"]
        notes = {
            **self._lines.sync(),
            "seconds": seconds(self._stopwatch),
            "updates": progress.updates,
            "env_steps": progress.env_steps,
            "phase": progress.phase,
        }
        return Draft(self._checkpoints.copy(parts, held), notes)

    def save(self, draft: Draft, planned: bool) -> bool:
        """Starts to write a checkpoint.

        The evaluations that were recorded meanwhile belong to it. `planned` says whether the phase has this
        checkpoint, whatever disturbs the run.

        Returns:
          False if nothing is written, because earlier rows were deleted since it was drafted. The next one
          holds all rows again; where the clock asks for checkpoints it is due at once.

        Raises:
          InputError: if it or the one before could not be written.
          Stopped: if that took too long.
        """
        notes = draft.notes | {"evaluations": self._lines.sync()["evaluations"]}
        *place, score = self._scored or (None, None, None)
        here = place == [notes["updates"], notes["env_steps"]]
        if not self._checkpoints.write(draft.state, notes, score if here else None, anchor=planned):
            self._saved = -math.inf
            return False
        self._saved, self._scored = time.monotonic(), None
        return True

    def close(self) -> None:
        """Closes every file and waits for the last checkpoint.

        Raises:
          InputError: if that could not be written; the files are closed all the same.
        """
        with contextlib.ExitStack() as closing:  # from the last to the first, whichever of them fails
            for part in (self._checkpoints, *self._consumers):
                closing.callback(part.close)
