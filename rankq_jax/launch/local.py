"""Runs the jobs of a sweep on this machine, so many at a time; those done before are skipped.

rankq sweep local launch/sweeps/smoke.py --parallel=2
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import NamedTuple

from rankq_jax.errors import InputError
from rankq_jax.launch import commands, job, record, states
from rankq_jax.launch.jobs import Job
from rankq_jax.launch.scheduler import Backend, Scheduler, status_of

PAUSE = 0.05  # seconds between two looks at what runs


class Slot(NamedTuple):
    """Where one job at a time runs: variables of its command, and cores that are its own (all if empty)."""

    environment: Mapping[str, str] = {}
    cores: tuple[int, ...] = ()


class _Running(NamedTuple):
    slot: Slot
    stop: job.Stop
    end: Future[job.Outcome]


class Threads(Backend):
    """A thread for each slot, which waits for the command that runs there; a back end of the scheduler."""

    def __init__(self, pool: ThreadPoolExecutor, out: Path, slots: Sequence[Slot], attempts: int, echo: bool):
        """Starts nothing yet; `echo` shows the output of what runs."""
        self.running: dict[str, _Running] = {}
        self._pool, self._out, self._attempts, self._echo = pool, out, attempts, echo
        self._free = list(slots)
        self._shown = 0  # bytes of the log of the only slot

    def room(self) -> bool:
        """Whether a slot is free."""
        return bool(self._free)

    def submit(self, due: Job) -> None:
        """Runs a job in a free slot."""
        slot, stop = self._free.pop(0), job.Stop()
        self._shown = record.size_of(self._out / due.name / "job.log")
        end = self._pool.submit(
            job.execute, due, self._out, slot.environment, self._attempts, stop, slot.cores
        )
        self.running[due.name] = _Running(slot, stop, end)

    def poll(self) -> Iterator[tuple[str, job.Outcome]]:
        """Waits for a moment; returns the jobs that have ended, with how."""
        ended = wait([found.end for found in self.running.values()], PAUSE, FIRST_COMPLETED).done
        for name, found in list(self.running.items()):
            if self._echo:
                self._show(self._out / name / "job.log")
            if found.end in ended:
                del self.running[name]
                self._free.append(found.slot)
                yield name, found.end.result()

    def stop(self) -> int:
        """Asks what runs to write a checkpoint; returns how many jobs that is."""
        for found in self.running.values():
            found.stop()
        return len(self.running)

    def _show(self, path: Path) -> None:
        with contextlib.suppress(OSError), path.open("rb") as log:
            log.seek(self._shown)
            text = log.read()
            self._shown += len(text)
            sys.stderr.write(text.decode(errors="replace"))
            sys.stderr.flush()


def slots_of(parallel: int, gpus: Sequence[str] = (), cores: int = 0) -> list[Slot]:
    """Slots that share what the machine has.

    Args:
      parallel: how many.
      gpus: numbers of GPUs, handed out in turn; all slots see all of them if empty.
      cores: of each slot; 0 lets all run everywhere.

    Raises:
      InputError: if there are not enough cores, or a number makes no sense.
    """
    if parallel < 1:
        raise InputError(f"--parallel={parallel}: must be at least 1.")
    there = sorted(os.sched_getaffinity(0))
    if cores < 0 or parallel * cores > len(there):
        raise InputError(
            f"--cores={cores}: {parallel} at a time do not fit on {len(there)} cores; take less."
        )
    return [
        Slot(
            {"CUDA_VISIBLE_DEVICES": gpus[i % len(gpus)]} if gpus else {},
            tuple(there[i * cores : (i + 1) * cores]),
        )
        for i in range(parallel)
    ]


def run(
    jobs: Sequence[Job],
    out: Path,
    slots: Sequence[Slot] = (Slot(),),
    attempts: int = job.ATTEMPTS,
    minutes: float | None = None,
) -> dict[str, job.Outcome]:
    """Runs jobs to their end, or until SIGTERM, SIGINT or the end of the time, when each writes a checkpoint.

    Args:
      jobs: in the order in which they are started.
      out: folder of their workdirs.
      slots: one for each job that runs at the same time.
      attempts: crashes after which a job is given up.
      minutes: after which they are stopped; None: never.

    Returns:
      `{name: outcome}`, without the jobs that a stop kept from being started.
    """
    echo = len(slots) == 1 and sys.stderr.isatty()
    if echo:
        # A line of progress every so many seconds, which other logs have more seldom.
        slots = [Slot({"TQDM_MININTERVAL": "10", **slots[0].environment}, slots[0].cores)]
    with ThreadPoolExecutor(len(slots)) as pool:
        backend = Threads(pool, out, slots, attempts, echo)
        try:
            return Scheduler(jobs, out, attempts, backend, minutes).run()
        finally:
            backend.stop()  # after an error of the launcher itself, nothing runs on unseen


def main(arguments: argparse.Namespace) -> int:
    """Runs a sweep; returns 0 if all jobs are done, 1 if one failed, 75 if the same command goes on."""
    jobs, out = commands.jobs_of(arguments)
    gpus = [gpu.strip() for gpu in arguments.gpus.split(",") if gpu.strip()]
    parallel = max(len(gpus), 1) if arguments.parallel is None else arguments.parallel
    slots = slots_of(parallel, gpus, arguments.cores)
    commands.check(jobs, out)
    outcomes = run(jobs, out, slots, arguments.attempts, arguments.minutes)
    states.show([states.of(job, out) for job in jobs])
    return status_of(jobs, outcomes)
