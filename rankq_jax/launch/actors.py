"""Jobs as actors of a Ray cluster: what runs there, and what watches it from here."""

import os
import threading
from pathlib import Path
from typing import Any

import ray

from rankq_jax.launch import job, record
from rankq_jax.launch.job import Outcome
from rankq_jax.launch.jobs import Job
from rankq_jax.launch.scheduler import Queue
from rankq_jax.launch.states import State

SECONDS = 0.5  # between two looks at what runs


class Worker:
    """The actor of one job, gone when that has ended. Ray starts it again elsewhere when its process dies."""

    def __init__(self, planned: Job, out: Path, folder: str, attempts: int) -> None:
        """Starts the job; `folder` is the working directory of the launcher, which `out` may depend on."""
        os.chdir(folder)
        self._stop = job.Stop()
        threading.Thread(target=self._run, args=(planned, out, attempts), daemon=True).start()

    def _run(self, planned: Job, out: Path, attempts: int) -> None:
        try:
            job.execute(planned, out, attempts=attempts, stop=self._stop)
        finally:  # other jobs wait for what this actor occupies
            ray.kill(ray.get_runtime_context().current_actor)

    def stop(self) -> None:
        """Asks the job to write a checkpoint and end."""
        self._stop()


class Actors(Queue):
    """A detached actor for each job, which Ray starts where there is room."""

    def __init__(self, out: Path, attempts: int, cpus: float, gpus: float, detached: bool) -> None:
        """Starts nothing yet; Ray is connected already.

        Args:
          out: folder of the workdirs.
          attempts: crashes, or deaths of its worker, after which a job is given up.
          cpus: CPUs that each actor occupies.
          gpus: GPUs that each actor occupies, or the fraction of one.
          detached: whether the cluster lives on without the launcher.
        """
        super().__init__(out, attempts, SECONDS)
        self.detached, self._cpus, self._gpus = detached, cpus, gpus
        self._actors: dict[str, Any] = {}
        self._alive: set[str] = set()

    def submit(self, due: Job) -> None:
        """Makes the actor of a job, or finds the one that an earlier launcher made."""
        made = ray.remote(Worker).options(
            name=due.name,
            get_if_exists=True,
            lifetime="detached",
            num_cpus=self._cpus,
            num_gpus=self._gpus,
            max_restarts=self.attempts - 1,
        )
        self._actors[due.name] = made.remote(due, self.out, os.getcwd(), self.attempts)
        self.running[due.name] = due

    def stop(self) -> int:
        """Asks every job that has begun for a checkpoint, drops the others; returns how many have begun."""
        for name in list(self.running):
            if record.busy(self.out / name):
                self._actors[name].stop.remote()
            else:
                ray.kill(self._actors[name])
                del self.running[name]
        return len(self.running)

    def look(self) -> None:
        """Asks Ray for its actors; those that it starts again are among them."""
        self._alive = set(ray.util.list_named_actors())

    def alive(self, queued: Job) -> bool:
        """Whether the actor of a job was there at the last look."""
        return queued.name in self._alive

    def state(self, queued: Job) -> State:
        """Whether a job runs, and where."""
        known = record.read(self.out / queued.name)
        if known.get("state") != record.RUNNING:
            return State(queued.name, record.QUEUED)
        log = self.out / queued.name / "job.log"
        return State(queued.name, record.RUNNING, detail=f"on {known.get('host')}, {log}")

    def outcome(self, gone: Job) -> Outcome:
        """How the job of an actor ended that is there no more."""
        if (ended := job.ended(gone, self.out, self.attempts)) is not None:
            return ended
        known = record.read(self.out / gone.name)
        if known.get("state") in (record.FAILED, record.PREEMPTED):
            return Outcome(known["state"], known.get("status"), known.get("error", ""))
        why = "its worker is lost, or another process works in its workdir, or that cannot be written to"
        return Outcome(record.FAILED, None, f"{why}; see the logs of Ray and job.log")
