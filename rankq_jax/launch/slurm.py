"""Runs the jobs of a sweep on a Slurm cluster, as arrays; what is preempted is requeued and goes on.

rankq sweep slurm launch/sweeps/pointmaze.py --out=runs/pointmaze --gpus-per-job=1 --minutes=240

Run it in the repository on a machine that submits jobs. Nodes must see the repository, this Python and --out
under the same paths. Run again it submits what is neither done, queued nor running.
"""

import argparse
import contextlib
import io
import shutil
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rankq_jax.errors import InputError, one_line
from rankq_jax.launch import commands, record, slurm_queue, slurm_task, states
from rankq_jax.launch.job import STOPPED, Outcome, ended
from rankq_jax.launch.jobs import Job, needs
from rankq_jax.launch.scheduler import Queue, Scheduler, status_of
from rankq_jax.launch.slurm_queue import Task

NOTICE = 90  # seconds before the time limit at which a job is asked to stop, a quarter of short limits


def _submitit() -> Any:
    try:
        import submitit
    except ImportError as error:
        raise InputError("submitit is not installed; pip install 'rankq-jax[slurm]'.") from error
    for name in ("sbatch", "srun", "squeue", "scontrol"):
        if shutil.which(name) is None:
            raise InputError(f"{name} is not installed; run this where Slurm's commands are (slurm-client).")
    return submitit


def parameters(arguments: argparse.Namespace) -> dict[str, Any]:
    """What submitit is told about every array.

    Raises:
      InputError: if a flag is wrong; one line.
    """
    wrong = [words for words in arguments.sbatch if "=" not in words]
    if wrong:
        raise InputError(f"--sbatch={wrong[0]}: give NAME=VALUE, e.g. account=lab.")
    own = dict(words.lstrip("-").split("=", 1) for words in arguments.sbatch)
    chosen = {
        "time": arguments.minutes,
        "signal_delay_s": min(NOTICE, 15 * arguments.minutes),
        "cpus_per_task": arguments.cpus_per_job,
        # A step no longer takes over what its job has asked for.
        "srun_args": [f"--cpus-per-task={arguments.cpus_per_job}"],
        "additional_parameters": {"requeue": True, "kill-on-invalid-dep": "yes", **own},
    }
    optional = {
        "partition": arguments.partition,
        "gpus_per_node": arguments.gpus_per_job,
        "mem": arguments.memory,
        "setup": arguments.setup,
    }
    return chosen | {name: value for name, value in optional.items() if value}


class Tasks(Queue):
    """Tasks of Slurm, which holds those that need others.

    Args:
      jobs: of the sweep.
      out: folder of the workdirs.
      attempts: crashes after which a job is given up; also how often one is submitted at most.
      chosen: parameters of every array.
      seconds: between two looks.

    Raises:
      RuntimeError: if Slurm does not answer; one line.
    """

    holds = True

    def __init__(
        self, jobs: Sequence[Job], out: Path, attempts: int, chosen: Mapping[str, Any], seconds: float
    ):
        super().__init__(out, attempts, seconds)
        self.submitit, self.chosen = _submitit(), chosen
        self.submissions: Counter[str] = Counter()
        self.due: list[Job] = []  # submitted together, as arrays
        self.tasks = slurm_queue.tasks(out)
        self.running = {job.name: job for job in jobs if self.alive(job)}

    def alive(self, queued: Job) -> bool:
        """Whether Slurm runs the job or will."""
        return queued.name in self.tasks and self.tasks[queued.name].alive

    def submit(self, due: Job) -> None:
        """Notes a job for the next `flush`."""
        self.running[due.name] = due
        self.due.append(due)

    def flush(self) -> None:
        """Submits the jobs that are due.

        Raises:
          InputError: if Slurm refuses; one line.
        """
        undone = {name for name in self.running if not record.finished(self.out / name)}
        for awaited, group in slurm_queue.arrays(self.due, undone):
            self._submit_array(group, [self.tasks[name].identifier for name in awaited])
        self.due.clear()

    def _submit_array(self, group: Sequence[Job], after: Sequence[str]) -> None:
        names = [job.name for job in group]
        extra = {"dependency": f"afterok:{':'.join(after)}"} if after else {}
        try:
            name = slurm_queue.new_submission(self.out, names)
            executor = self.submitit.SlurmExecutor(folder=self.out / slurm_queue.FOLDER)
            executor.update_parameters(job_name=name, **self.chosen, **extra)
            counts = [[self.out] * len(group), [self.attempts] * len(group)]
            with contextlib.redirect_stderr(io.StringIO()):  # what sbatch says is in the error too
                submitted = executor.map_array(slurm_task.run, group, *counts)
        except OSError as error:
            raise InputError(f"{self.out}: cannot be written to ({error.strerror}).") from error
        except RuntimeError as error:
            lines = [line.removeprefix("sbatch: error: ") for line in str(error).splitlines()]
            raise InputError(f"Slurm refuses: {'; '.join(lines)}.") from error
        self.submissions.update(names)
        for job, task in zip(names, submitted, strict=True):
            self.tasks[job] = Task(task.job_id, "PENDING")

    def look(self) -> None:
        """Submits what is due, then asks Slurm.

        Raises:
          InputError: if Slurm refuses; one line.
        """
        self.flush()
        try:
            self.tasks = slurm_queue.tasks(self.out)
        except RuntimeError as error:  # its controller restarts; the jobs do not care
            print(f"warning: {error}", file=sys.stderr)

    def outcome(self, gone: Job) -> Outcome | None:
        """How a job ended; None if it is submitted again.

        It may have left the queue without an end: its node broke, or its limit came before its checkpoint.
        """
        word = self.tasks[gone.name].state if gone.name in self.tasks else ""
        failed = record.read(self.out / gone.name).get("state") == record.FAILED
        if word != "CANCELLED" and not failed and ended(gone, self.out, self.attempts) is None:
            if word == "PREEMPTED" or self.submissions[gone.name] < self.attempts:
                self.due.append(gone)
                self.flush()
                return None
        found = self.state(gone)
        if (
            found.state == record.QUEUED
            and word == "CANCELLED"
            and all(record.finished(self.out / name) for name in needs(gone))
        ):
            return Outcome(record.PREEMPTED, None, found.detail)
        if found.state == record.QUEUED:
            return Outcome(record.FAILED, None, f"not started: {found.detail or 'Slurm has lost it'}")
        return Outcome(found.state, None, found.detail)

    def state(self, queued: Job) -> states.State:
        """The state of a job, from its workdir and its task."""
        found, task = states.of(queued, self.out), self.tasks.get(queued.name)
        if found.state == record.DONE:
            return found
        awaited = [name for name in needs(queued) if not record.finished(self.out / name)]
        if awaited and not self.alive(queued):
            return found._replace(state=record.QUEUED, detail=f"needs {awaited[0]}, which is not done")
        if task is None:
            return found
        if not task.alive:
            if task.state == "CANCELLED":
                return found._replace(detail=f"task {task.identifier} was cancelled")
            if found.state in (record.FAILED, record.RUNNING):
                return found
            logs = self.out / slurm_queue.FOLDER / f"{task.identifier}_0_log.err"
            return found._replace(state=record.FAILED, detail=f"{task.state}, see {logs}")
        if found.state == record.FAILED:  # tried again
            found = found._replace(state=record.QUEUED)
        return found._replace(detail=f"task {task.identifier} {task.state.lower()}")

    def say_what_goes_on(self) -> None:
        """Says on stderr what goes on without this launcher, and how to stop it."""
        with contextlib.suppress(RuntimeError):
            self.tasks = slurm_queue.tasks(self.out)
        left = [self.tasks[job.name].identifier for job in self.running.values() if self.alive(job)]
        text = f"stopped watching: {len(left)} jobs go on in Slurm; the same command watches them again"
        print(text + (f", `scancel {' '.join(left)}` stops them" if left else ""), file=sys.stderr)


def main(arguments: argparse.Namespace) -> int:
    """Submits a sweep and watches it; returns 0 if all jobs are done, 1 if one failed, 75 if the same command
    goes on.

    Raises:
      InputError: if a flag or the sweep file is wrong, or Slurm is missing or refuses.
    """
    _submitit()
    jobs, out = commands.jobs_of(arguments)
    chosen = parameters(arguments)
    commands.check(jobs, out)
    try:
        queue = Tasks(jobs, out, arguments.attempts, chosen, arguments.poll)
    except RuntimeError as error:
        raise InputError(one_line(error)) from error
    scheduler = Scheduler(jobs, out, arguments.attempts, queue)
    if arguments.no_watch:
        scheduler.submit()
        queue.flush()
    else:
        scheduler.run()
        if queue.running:
            queue.say_what_goes_on()
            return STOPPED
    states.show([queue.state(job) for job in jobs])
    return 0 if arguments.no_watch else status_of(jobs, scheduler.outcomes)
