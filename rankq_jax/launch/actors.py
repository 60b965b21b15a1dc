"""Jobs as actors of a Ray cluster: what runs there, and what watches it from here."""

import contextlib
import os
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import ray

from rankq_jax.errors import one_line
from rankq_jax.launch import job, record, sweep
from rankq_jax.launch.job import Outcome

LINGER = 10.0  # seconds that an outcome waits for a launcher to fetch it
PAUSE = 0.2  # seconds between two looks at what runs


class Worker:
    """The actor of one job. Ray starts it again, on another machine if need be, when its process dies."""

    def __init__(self, planned: sweep.Job, out: Path, folder: str, attempts: int) -> None:
        """Starts the job.

        Args:
          planned: the job.
          out: folder of all workdirs, as the launcher was given it.
          folder: working directory of the launcher.
          attempts: crashes after which the job is given up.
        """
        os.chdir(folder)
        self._job, self._out, self._attempts = planned, out, attempts
        self._stop, self._ended, self._fetched = job.Stop(), threading.Event(), threading.Event()
        self._outcome: Outcome | None = None
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            self._outcome = self._to_its_end()
        except Exception as error:  # an actor that says nothing would be waited for without end
            self._outcome = Outcome(record.FAILED, None, f"{type(error).__name__}: {error}")
        self._ended.set()
        if not self._fetched.wait(LINGER):
            # The launcher was stopped meanwhile; other jobs wait for what this actor occupies.
            ray.kill(ray.get_runtime_context().current_actor)

    def _to_its_end(self) -> Outcome:
        stalls = record.Stalls()
        while True:
            outcome = job.execute(self._job, self._out, attempts=self._attempts, stop=self._stop)
            if outcome.state != record.PREEMPTED or self._stop.requested:
                return outcome
            if stalls.after_stop(self._out / self._job.name) >= self._attempts:
                return outcome

    def outcome(self, patience: float) -> tuple[str, int, Outcome | None]:
        """Waits so many seconds for the end of the job.

        Returns:
          Machine and process of this actor, and how the job ended; None while it runs.
        """
        if self._ended.wait(patience):
            self._fetched.set()
        return socket.gethostname(), os.getpid(), self._outcome

    def stop(self) -> None:
        """Asks the job to write a checkpoint and end."""
        self._stop()


class Needs(NamedTuple):
    """What each actor occupies: CPUs, and GPUs, of which it may be a fraction."""

    cpus: float = 1.0
    gpus: float = 0.0


class Watch:
    """Actors that run, by the name of their job, and how the others ended."""

    def __init__(self, jobs: Sequence[sweep.Job], out: Path, needs: Needs, attempts: int) -> None:
        """Starts nothing yet; Ray is connected already."""
        self.outcomes: dict[str, Outcome] = {}
        self.actors: dict[str, Any] = {}
        self._out, self._needs, self._attempts = out, needs, attempts
        self._waiting = list(jobs)
        self._places: dict[str, tuple[str, int]] = {}  # machine and process
        self._answers: dict[Any, str] = {}  # what is asked of an actor, by its reference

    def step(self, submit: bool = True) -> bool:
        """Submits what can be, unless told not to, and listens for a moment.

        Returns:
          Whether there is anything left to wait for.
        """
        if submit:
            for waiting in list(self._waiting):
                self._submit(waiting)
        if self._answers:
            ready, _ = ray.wait(list(self._answers), timeout=PAUSE)
            for answer in ready:
                self._heard(self._answers.pop(answer), answer)
        return bool(self.actors or (submit and self._waiting))

    def stop(self) -> None:
        """Asks every job that has begun for a checkpoint; drops the others."""
        print(f"stopping: {len(self._places)} jobs write a checkpoint", file=sys.stderr, flush=True)
        for name, actor in list(self.actors.items()):
            if name in self._places:
                actor.stop.remote()
            else:
                ray.kill(actor)
                self._forget(name)

    def _forget(self, name: str) -> None:
        self.actors.pop(name)
        self._places.pop(name, None)
        self._answers = {answer: other for answer, other in self._answers.items() if other != name}

    def _end(self, name: str, outcome: Outcome, text: str = "") -> None:
        self.outcomes[name] = outcome
        print(f"{name}: {text or ': '.join(filter(None, (outcome.state, outcome.error)))}", flush=True)

    def _submit(self, waiting: sweep.Job) -> None:
        needed = {name: self.outcomes.get(name) for name in sweep.needs(waiting)}
        failed = [name for name, ended in needed.items() if ended and ended.state != record.DONE]
        if not failed and not all(needed.values()):
            return
        self._waiting.remove(waiting)
        if (settled := job.settled(waiting, self._out)) is not None:
            self._end(waiting.name, settled, "done before" if settled.state == record.DONE else "")
        elif failed:
            text = f"not started, because it needs {failed[0]}"
            self._end(waiting.name, Outcome(record.FAILED, None, text))
        else:
            options = {
                "name": waiting.name,
                "get_if_exists": True,  # started by an earlier launcher
                "lifetime": "detached",
                "num_cpus": self._needs.cpus,
                "num_gpus": self._needs.gpus,
                "max_restarts": self._attempts - 1,
                "max_task_retries": -1,
                "max_concurrency": 2,  # asked how it is, and to stop
            }
            made = ray.remote(Worker).options(**options)
            self.actors[waiting.name] = made.remote(waiting, self._out, os.getcwd(), self._attempts)
            self._ask(waiting.name, patience=0.0)  # answers as soon as it has begun

    def _ask(self, name: str, patience: float = 1.0) -> None:
        self._answers[self.actors[name].outcome.remote(patience)] = name

    def _heard(self, name: str, answer: Any) -> None:
        try:
            machine, process, outcome = ray.get(answer)
        except ray.exceptions.RayError as error:
            self._forget(name)
            self._end(name, self._lost(name, error))
            return
        before = self._places.get(name)
        if before != (machine, process):
            self._places[name] = machine, process
            again = "its worker died, it goes on" if before else "running"
            print(f"{name}: {again} on {machine}, {self._out / name / 'job.log'}", flush=True)
        if outcome is None:
            self._ask(name)
            return
        with contextlib.suppress(ray.exceptions.RayError):
            ray.kill(self.actors[name])
        self._forget(name)
        self._end(name, outcome)

    def _lost(self, name: str, error: Exception) -> Outcome:
        """How the job of an actor that is gone for good ended."""
        if record.finished(self._out / name):
            return Outcome(record.DONE, 0)
        return Outcome(record.FAILED, None, f"its worker is lost: {one_line(error)}")
