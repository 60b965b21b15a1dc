"""What one task of a Slurm array does on its node: a job of the sweep. Preempted, it is requeued."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from rankq_jax.errors import one_line
from rankq_jax.launch import slurm_queue
from rankq_jax.launch.job import REQUESTS, STOPPED, Outcome, Stop, execute
from rankq_jax.launch.jobs import Job
from rankq_jax.launch.record import FAILED, PREEMPTED, read, write

RETRIES = 5  # of a requeue that the controller does not take
PAUSE = 2.0  # seconds between them


def _requeue() -> None:
    """Requeues the task that this process belongs to, unless Slurm has, or somebody has cancelled it."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    task = f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else os.environ["SLURM_JOB_ID"]
    for _ in range(RETRIES):
        try:
            state = slurm_queue.state(task)
        except RuntimeError as error:
            print(f"{task}: {error}", flush=True)
        else:
            if state != "RUNNING":
                print(f"{task}: not requeued, it is {state or 'gone'}", flush=True)
                return
            done = subprocess.run(["scontrol", "requeue", task], capture_output=True, text=True)
            if done.returncode == 0:
                print(f"{task}: requeued", flush=True)
                return
            print(f"{task}: scontrol: {one_line(done.stderr)}", flush=True)
        time.sleep(PAUSE)


def run(job: Job, out: Path, attempts: int) -> None:
    """Runs a job as `execute` does, or until Slurm wants the node back; then the task is requeued.

    Raises:
      SystemExit: unless the job is done. No result is left for submitit then, which would keep a requeued
        task from running again.
    """
    stop = Stop()
    for number in REQUESTS:
        signal.signal(number, stop)  # in place of submitit's, which would requeue at once or not at all
    outcome = execute(job, out, attempts=attempts, stop=stop)
    if outcome.state == PREEMPTED and not stop.requested:
        error = "stops again and again without having been asked; see job.log in its workdir"
        outcome = Outcome(FAILED, STOPPED, error)
        with contextlib.suppress(OSError):
            write(out / job.name, {**read(out / job.name), **outcome._asdict()})
    if outcome.state == PREEMPTED:
        _requeue()
        sys.exit(STOPPED)
    if outcome.state == FAILED:
        raise SystemExit(f"{job.name}: {outcome.error}")
