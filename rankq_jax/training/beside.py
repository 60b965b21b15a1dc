"""Evaluations in a thread of their own, beside the training that follows them."""

import concurrent.futures
import contextlib
import threading
from collections.abc import Generator, Sequence
from typing import NamedTuple, NoReturn

from rankq_jax import loop
from rankq_jax.envs.rollout import driven
from rankq_jax.errors import Stopped
from rankq_jax.evaluation import Evaluation
from rankq_jax.metrics import check_finite
from rankq_jax.timing import Stopwatch
from rankq_jax.training.records import Draft, Records
from rankq_jax.training.stopping import Requests

LOOK = 0.05  # seconds between two looks for a request to stop


class Pending(NamedTuple):
    """An evaluation that is being made.

    Attributes:
      event: that handed it over.
      draft: the checkpoint that belongs to it.
      result: what it will have found.
    """

    event: loop.EvaluationDue
    draft: Draft
    result: concurrent.futures.Future[Evaluation]


class Beside:
    """The evaluations of a run, one at a time. What is recorded and saved is what a run without it leaves.

    The checkpoint of an evaluation is copied when it begins and written when it is over. No other one is
    written meanwhile: every checkpoint then stands behind all evaluations before it. A run that is stopped
    meanwhile leaves that copy, and makes the evaluation and what followed it again.
    """

    def __init__(
        self, records: Records, stopwatch: Stopwatch, requests: Requests, seeds: Sequence[int]
    ) -> None:
        """Nothing is being evaluated yet.

        Args:
          records: of the run.
          stopwatch: counts as `evaluate` what is waited for.
          requests: to stop.
          seeds: of the run.
        """
        self._seeds = seeds
        self._records, self._stopwatch, self._requests = records, stopwatch, requests
        self._pending: Pending | None = None
        self._left = threading.Event()
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "evaluation")

    @property
    def busy(self) -> bool:
        """Whether there is an evaluation that was not recorded."""
        return self._pending is not None

    def begin(self, event: loop.EvaluationDue, draft: Draft) -> None:
        """Starts an evaluation; the one before is over."""
        assert not self.busy
        self._pending = Pending(event, draft, self._thread.submit(self._made, event.steps))

    def look(self) -> None:
        """Records the evaluation if it is over, and writes its checkpoint if one is wanted."""
        if self._pending is not None and self._pending.result.done():
            self._record(self._pending)

    def finish(self) -> None:
        """Waits for the evaluation; then as `look`.

        Raises:
          Stopped: if that was requested meanwhile; see `give_up`.
          NumericsError: if a checkpoint is wanted of a state with a bad number.
        """
        if self._pending is None:
            return
        with self._stopwatch("evaluate"):
            while not concurrent.futures.wait([self._pending.result], LOOK).done:
                if self._requests():
                    self.give_up()
        self._record(self._pending)

    def give_up(self) -> NoReturn:
        """Leaves a checkpoint from which the evaluation is made again.

        Raises:
          Stopped: when it is copied.
          NumericsError: if the state has a bad number.
        """
        assert self._pending is not None
        pending, self._pending = self._pending, None
        self.close()
        if not self._save(pending.draft.at(pending.event.before), planned=False):
            # What earlier checkpoints held is gone, and the copy alone is no checkpoint.
            raise Stopped(
                "files of the checkpoints were deleted meanwhile, so none of this moment was written"
            )
        raise Stopped

    def close(self) -> None:
        """Ends the evaluation, wherever it is."""
        self._left.set()
        self._thread.shutdown()

    def _made(self, steps: Generator[int, None, Evaluation]) -> Evaluation:
        with contextlib.closing(steps):
            return driven(steps, self._refuse_if_left)

    def _refuse_if_left(self, made: int) -> None:
        if self._left.is_set():
            raise concurrent.futures.CancelledError

    def _record(self, pending: Pending) -> None:
        self._pending, event = None, pending.event
        self._records.evaluated(event.phase, event.progress, pending.result.result(), event.last)
        if event.checkpoint or self._records.checkpoint_due():
            self._save(pending.draft, event.checkpoint)

    def _save(self, draft: Draft, planned: bool) -> bool:
        check_finite(draft.state.parts["agent"], self._seeds, draft.notes["updates"])
        return self._records.save(draft, planned)
