"""What is due in a sweep and what becomes of it: one loop for every back end that runs jobs."""

import abc
import math
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from rankq_jax.launch import job, record
from rankq_jax.launch.job import Outcome
from rankq_jax.launch.jobs import Job, needs
from rankq_jax.launch.states import State

PAUSE = 0.1  # seconds between two looks at whether to stop
FAILED = 1  # exit status if a job has failed


class Backend(Protocol):
    """Where jobs run, each to its end as `job.execute` runs it.

    Attributes:
      running: jobs that were submitted and have not ended, by name.
      detached: whether jobs go on without the launcher, which then leaves them alone when it is stopped.
      holds: whether it takes a job before what that needs is done, and starts it after that.
    """

    running: dict[str, Any]
    detached: bool = False
    holds: bool = False

    def room(self) -> bool:
        """Whether another job can be submitted now; a queue always has room."""
        return True

    def submit(self, due: Job) -> None:
        """Starts a job, or puts it into a queue."""

    def poll(self) -> Iterable[tuple[str, Outcome]]:
        """Waits for a moment; returns the jobs that have ended, with how."""

    def stop(self) -> int:
        """Asks what runs to write a checkpoint and drops what has not begun; returns how many were asked."""
        return 0


class Queue(Backend):
    """Jobs that go on elsewhere, until they are gone: how they are and ended is read from their workdirs."""

    detached = True

    def __init__(self, out: Path, attempts: int, seconds: float) -> None:
        """Nothing is queued yet; there are `seconds` between two looks."""
        self.running: dict[str, Job] = {}
        self.out, self.attempts, self._seconds = out, attempts, seconds
        self._next = 0.0  # time of the next look
        self._shown: dict[str, str] = {}

    def look(self) -> None:
        """Asks the queue how its jobs are."""

    @abc.abstractmethod
    def alive(self, queued: Job) -> bool:
        """Whether a job runs or will, as it was at the last look."""

    @abc.abstractmethod
    def state(self, queued: Job) -> State:
        """The state of a job that is told when it has changed."""

    @abc.abstractmethod
    def outcome(self, gone: Job) -> Outcome | None:
        """How a job ended that is not in the queue any more; None if it is again."""

    def poll(self) -> Iterator[tuple[str, Outcome]]:
        """Waits for a moment; returns the jobs that have ended, with how, and tells what has changed."""
        if time.monotonic() < self._next:
            time.sleep(PAUSE)
            return
        self._next = time.monotonic() + self._seconds
        self.look()
        for gone in [queued for queued in self.running.values() if not self.alive(queued)]:
            if (outcome := self.outcome(gone)) is not None:
                del self.running[gone.name]
                yield gone.name, outcome
        for queued in self.running.values():
            found = self.state(queued)
            if found.state not in (record.DONE, self._shown.get(queued.name)):
                job.say(queued.name, found.state + (f" ({found.detail})" if found.detail else ""))
            self._shown[queued.name] = found.state


class Scheduler:
    """The jobs that wait, and how the others ended; what runs is the back end's."""

    def __init__(
        self, jobs: Sequence[Job], out: Path, attempts: int, backend: Backend, minutes: float | None = None
    ) -> None:
        """Starts nothing yet; after `minutes` from the start of `run` it stops as if it were asked to."""
        self.outcomes: dict[str, Outcome] = {}
        self.waiting = list(jobs)
        self._out, self._attempts, self._backend = out, attempts, backend
        self._seconds = math.inf if minutes is None else 60.0 * minutes

    def run(self) -> dict[str, Outcome]:
        """Runs the jobs to their end, or until SIGTERM or SIGINT, or until the time is up.

        Returns:
          `{name: outcome}`, without the jobs that a stop kept from being started, or left to go on.
        """
        asked: list[int] = []
        stopping, deadline = False, time.monotonic() + self._seconds
        with job.hearing(lambda number, frame: asked.append(number), (signal.SIGTERM, signal.SIGINT)):
            while True:
                if not asked and time.monotonic() >= deadline:
                    asked.append(signal.SIGALRM)
                if not asked:
                    self.submit()
                elif self._backend.detached:
                    break
                elif not stopping:
                    stopping = True
                    count = self._backend.stop()
                    print(f"stopping: {count} jobs write a checkpoint", file=sys.stderr, flush=True)
                if not self._backend.running and (asked or not self.waiting):
                    break
                for name, outcome in self._backend.poll():
                    self._end(name, outcome)
        return self.outcomes

    def submit(self) -> None:
        """Submits what is due as far as there is room; ends what is done before or never can be started."""
        running = self._backend.running
        for waiting in list(self.waiting):
            if not self._backend.room():
                return
            needed = {name: self.outcomes.get(name) for name in needs(waiting)}
            failed = [name for name, ended in needed.items() if ended and ended.state != record.DONE]
            if waiting.name in running:
                pass  # an earlier launcher has submitted it
            elif (found := job.ended(waiting, self._out, self._attempts)) is not None:
                self._end(waiting.name, found, "done before" if found.state == record.DONE else "")
            elif failed:
                text = f"not started, because it needs {failed[0]}"
                self._end(waiting.name, Outcome(record.FAILED, None, text))
            elif all(ended or (self._backend.holds and name in running) for name, ended in needed.items()):
                self._backend.submit(waiting)
            else:
                continue
            self.waiting.remove(waiting)

    def _end(self, name: str, outcome: Outcome, text: str = "") -> None:
        self.outcomes[name] = outcome
        job.say(name, text or ": ".join(filter(None, (outcome.state, outcome.error))))


def status_of(jobs: Sequence[Job], outcomes: dict[str, Outcome]) -> int:
    """Says on stderr what is left to do.

    Returns:
      The exit status: 0 if all jobs are done, 75 if some were never begun or all others left a checkpoint,
      1 if one has failed and nothing waits.
    """
    ended = [outcomes[job.name].state for job in jobs if job.name in outcomes]
    checkpointed = sum(state not in (record.DONE, record.FAILED) for state in ended)
    if checkpointed or len(ended) < len(jobs):
        rest = len(jobs) - len(ended)
        text = f"stopped: {checkpointed} left a checkpoint, {rest} not started"
        print(f"{text}; the same command goes on", file=sys.stderr)
        if not (rest == 0 and record.FAILED in ended):
            return job.STOPPED
    return FAILED if record.FAILED in ended else 0
