"""Runs the jobs of a sweep on this machine, so many at a time; those done before are skipped.

rankq sweep local launch/sweeps/smoke.py --parallel=2
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rankq_jax.errors import InputError
from rankq_jax.launch import commands, job, record, states, sweep
from rankq_jax.launch.runner import Runner, Slot

PAUSE = 0.05  # seconds between two looks at what runs
FAILED = 1  # exit status if a job has failed


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
    jobs: Sequence[sweep.Job],
    out: Path,
    slots: Sequence[Slot] = (Slot(),),
    attempts: int = job.ATTEMPTS,
) -> dict[str, job.Outcome]:
    """Runs jobs to their end, or until SIGTERM or SIGINT, after which each writes a checkpoint.

    Args:
      jobs: in the order in which they are started.
      out: folder of their workdirs.
      slots: one for each job that runs at the same time.
      attempts: crashes after which a job is given up.

    Returns:
      `{name: outcome}`, without the jobs that a stop kept from being started.
    """
    echo = len(slots) == 1 and sys.stderr.isatty()
    if echo:
        slots = [Slot({"TQDM_MININTERVAL": "1", **slots[0].environment}, slots[0].cores)]
    runner = Runner(jobs, out, slots, attempts, echo)
    asked: list[int] = []
    before = {
        number: signal.signal(number, lambda number, frame: asked.append(number))
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        while runner.step():
            if asked:
                runner.stop()
            time.sleep(PAUSE)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return runner.outcomes


def status_of(jobs: Sequence[sweep.Job], outcomes: dict[str, job.Outcome]) -> int:
    """Says on stderr what is left to do.

    Returns:
      The exit status: 0 if all jobs are done, 1 if one has failed, 75 if the same command goes on.
    """
    ended = [outcomes[job.name].state for job in jobs if job.name in outcomes]
    checkpointed = ended.count(record.PREEMPTED)
    if checkpointed or len(ended) < len(jobs):
        rest = len(jobs) - len(ended)
        text = f"stopped: {checkpointed} left a checkpoint, {rest} not started"
        print(f"{text}; the same command goes on", file=sys.stderr)
        return job.STOPPED
    return FAILED if record.FAILED in ended else 0


def main(arguments: argparse.Namespace) -> int:
    """Runs a sweep; returns 0 if all jobs are done, 1 if one failed, 75 if the same command goes on."""
    jobs, out = commands.jobs_of(arguments)
    gpus = [gpu.strip() for gpu in arguments.gpus.split(",") if gpu.strip()]
    parallel = max(len(gpus), 1) if arguments.parallel is None else arguments.parallel
    slots = slots_of(parallel, gpus, arguments.cores)
    commands.check(jobs, out)
    outcomes = run(jobs, out, slots, arguments.attempts)
    states.show([states.of(job, out) for job in jobs])
    return status_of(jobs, outcomes)
