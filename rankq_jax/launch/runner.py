"""Jobs as processes of this machine: one loop without threads, which a launcher calls until it is done."""

import contextlib
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rankq_jax.launch import errors, job, record, sweep
from rankq_jax.launch.job import Outcome


class Slot(NamedTuple):
    """Where one job at a time runs: variables of its command, and cores that are its own (all if empty)."""

    environment: Mapping[str, str] = {}
    cores: tuple[int, ...] = ()


class Runner:
    """The jobs that wait, those that run, and how the others ended."""

    def __init__(
        self, jobs: Sequence[sweep.Job], out: Path, slots: Sequence[Slot], attempts: int, echo: bool
    ) -> None:
        """Starts nothing yet.

        Args:
          jobs: in the order in which they are started.
          out: folder of their workdirs.
          slots: one for each job that runs at the same time.
          attempts: crashes after which a job is given up.
          echo: whether to show the output of what runs.
        """
        self.outcomes: dict[str, Outcome] = {}
        self.stopping = False
        self._out, self._slots, self._attempts, self._echo = out, slots, attempts, echo
        self._waiting = list(jobs)
        self._running: dict[int, job.Attempt] = {}
        self._occupied: dict[str, float] = {}  # since when another process is seen in a workdir
        self._stalls = record.Stalls()
        self._shown = 0

    @property
    def running(self) -> list[job.Attempt]:
        """What runs now."""
        return list(self._running.values())

    def step(self) -> bool:
        """Looks at everything once.

        Returns:
          Whether there is anything left to do.
        """
        for slot, attempt in list(self._running.items()):
            self._show(attempt)
            if attempt.process.poll() is not None:
                del self._running[slot]
                self._ended(attempt)
        for slot in range(len(self._slots)):
            if slot not in self._running and not self.stopping:
                self._fill(slot)
        return bool(self._running or (self._waiting and not self.stopping))

    def stop(self) -> None:
        """Starts nothing more and asks what runs to write a checkpoint; once, however often it is called."""
        if not self.stopping:
            self.stopping = True
            print(f"stopping: {len(self._running)} jobs write a checkpoint", file=sys.stderr, flush=True)
            for attempt in self.running:
                attempt.process.terminate()

    def _say(self, name: str, text: str) -> None:
        print(f"{name}: {text}", flush=True)

    def _end(self, name: str, outcome: Outcome, text: str = "") -> None:
        self.outcomes[name] = outcome
        self._say(name, text or ": ".join(part for part in (outcome.state, outcome.error) if part))

    def _ended(self, attempt: job.Attempt) -> None:
        name, outcome = attempt.job.name, job.finish(attempt)
        again = not self.stopping and not outcome.certain
        if outcome.state == record.PREEMPTED and again:
            again = self._stalls.after_stop(attempt.folder) < self._attempts
        elif outcome.state == record.FAILED and again:
            hopeless = job.exhausted(attempt.folder, self._attempts)
            again, outcome = hopeless is None, hopeless or outcome
        if outcome.state == record.DONE or not again:
            self._end(name, outcome)
        else:
            self._say(name, f"{outcome.state} {outcome.error}".rstrip() + "; starts again")
            self._waiting.insert(0, attempt.job)

    def _fill(self, slot: int) -> None:
        for waiting in list(self._waiting):
            if not self._ready(waiting):
                continue
            self._waiting.remove(waiting)
            try:
                attempt = job.start(waiting, self._out, *self._slots[slot])
            except OSError as error:
                text = errors.unwritable(self._out / waiting.name, error)
                self._end(waiting.name, Outcome(record.FAILED, job.WRONG_INPUT, text))
                continue
            self._running[slot], self._shown = attempt, attempt.position
            self._say(waiting.name, f"running, {attempt.folder / 'job.log'}")
            return

    def _ready(self, waiting: sweep.Job) -> bool:
        """Whether a job can be started; one that never will be is taken out."""
        folder = self._out / waiting.name
        outcome: Outcome | None = None
        text = ""
        needed = {name: self.outcomes.get(name) for name in sweep.needs(waiting)}
        failed = [name for name, ended in needed.items() if ended and ended.state != record.DONE]
        if (settled := job.settled(waiting, self._out)) is not None:
            outcome, text = settled, "done before" if settled.state == record.DONE else ""
        elif failed:
            outcome = Outcome(record.FAILED, None, f"not started, because it needs {failed[0]}")
        elif not all(needed.values()):
            return False
        elif record.busy(folder):
            since = self._occupied.setdefault(waiting.name, time.monotonic())
            if time.monotonic() - since > job.PATIENCE:
                outcome = Outcome(record.FAILED, None, errors.in_use(folder))
            else:
                return False
        else:
            outcome = job.exhausted(folder, self._attempts)
        if outcome is None:
            return True
        self._waiting.remove(waiting)
        self._end(waiting.name, outcome, text)
        return False

    def _show(self, attempt: job.Attempt) -> None:
        if self._echo:
            with contextlib.suppress(OSError), (attempt.folder / "job.log").open("rb") as log:
                log.seek(self._shown)
                text = log.read()
                self._shown += len(text)
                sys.stderr.write(text.decode(errors="replace"))
                sys.stderr.flush()
