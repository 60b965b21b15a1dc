"""One job: its command line in a subprocess, started again after a crash, and recorded in its workdir."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rankq_jax.launch import errors
from rankq_jax.launch.jobs import Job
from rankq_jax.launch.ownership import foreign
from rankq_jax.launch.record import DONE, FAILED, PREEMPTED, RUNNING, busy, finished, read, write

STOPPED = 75  # exit status of a command that was asked to stop and wrote a checkpoint first
WRONG_INPUT = 2
CERTAIN = (WRONG_INPUT, 3)  # exit statuses of failures that the same command would meet again
REQUESTS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)  # to stop with a checkpoint

ATTEMPTS = 3  # failures of a job after which it is not started again
TRAIN = ("-m", "rankq_jax.cli", "train")  # what Python runs: `rankq train` of this environment
PATIENCE = 60.0  # seconds that the process before may take to leave a workdir

# Runs first in the subprocess, in place of a preexec_fn, which is unsafe where threads are. Its parent's
# death becomes a SIGTERM, so that no killed launcher leaves a run behind; signals that the parent blocks
# are let through; the cores are chosen before the command has threads.
_TIED = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() != int(sys.argv[1]):
    sys.exit(143)
signal.pthread_sigmask(signal.SIG_SETMASK, ())
if sys.argv[2]:
    os.sched_setaffinity(0, [int(core) for core in sys.argv[2].split(",")])
os.execv(sys.argv[3], sys.argv[3:])
"""


class Outcome(NamedTuple):
    """How a job ended.

    Attributes:
      state: DONE, PREEMPTED (the same command goes on) or FAILED.
      status: exit status, negative for a signal; None if nothing was started.
      error: one line; empty unless failed.
    """

    state: str
    status: int | None = None
    error: str = ""

    @property
    def certain(self) -> bool:
        """Whether starting it again at once would end in the same way."""
        return self.state == FAILED and (self.status is None or self.status in CERTAIN)


class Attempt(NamedTuple):
    """A started command: of which job, where, as which process, and where its part of the log begins."""

    job: Job
    folder: Path
    process: subprocess.Popen[bytes]
    position: int


class Stop:
    """Whether to stop, and what must hear of it. Safe to call from a signal handler or another thread."""

    def __init__(self) -> None:
        self.requested = False
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self, number: int = signal.SIGTERM, frame: object = None) -> None:
        """Asks the running command to write a checkpoint and stop; nothing more is started."""
        self.requested = True
        if self._process is not None:
            self._process.send_signal(number)

    def watch(self, process: subprocess.Popen[bytes]) -> None:
        """Hands requests on to a process, also one that came before."""
        self._process = process
        if self.requested:
            process.terminate()


def command(job: Job, out: Path) -> list[str]:
    """The command line of a job whose workdir lies below `out`."""
    flags = [flag.replace("{out}", str(out)) for flag in job.arguments]
    return [sys.executable, *TRAIN, *flags, f"--workdir={out / job.name}"]


def exhausted(folder: Path, attempts: int) -> Outcome | None:
    """What to say of a job that has crashed `attempts` times and is not started again; else None.

    What failed for a certain cause is always tried again: that may have been put right meanwhile.
    """
    record = read(folder)
    if record.get("state") != FAILED or record.get("status") in CERTAIN:
        return None
    if record.get("failures", 0) < attempts:
        return None
    hint = f"failed {record['failures']} times, --attempts={record['failures'] + 1} tries again"
    return Outcome(FAILED, record.get("status"), f"{record.get('error')} ({hint})")


def settled(job: Job, out: Path) -> Outcome | None:
    """How a job ended that needs no start: done before, or its workdir is another job's; else None."""
    if not finished(out / job.name):
        return None
    other = foreign(job, out)
    return Outcome(FAILED, WRONG_INPUT, other) if other else Outcome(DONE, 0)


def done(job: Job, out: Path) -> bool:
    """Whether the results of a job are there."""
    ended = settled(job, out)
    return ended is not None and ended.state == DONE


def start(
    job: Job, out: Path, environment: Mapping[str, str] | None = None, cores: Sequence[int] = ()
) -> Attempt:
    """Starts a job's command; its workdir is made, its output goes to `job.log` there.

    Call it from a thread that lives as long as the job: the kernel ties the command to it.

    Args:
      job: the job.
      out: folder of all workdirs.
      environment: variables beside those of this process.
      cores: that it may run on; all if empty.

    Raises:
      OSError: if the workdir cannot be written to.
    """
    folder = out / job.name
    folder.mkdir(parents=True, exist_ok=True)
    words = command(job, out)
    before = read(folder)
    tied = [sys.executable, "-S", "-c", _TIED, str(os.getpid()), ",".join(map(str, cores)), *words]
    # A progress bar writes a line into the log every so many seconds.
    variables = {"TQDM_MININTERVAL": "10", **os.environ, **(environment or {})}
    with (folder / "job.log").open("ab") as log:
        position = log.tell()
        process = subprocess.Popen(
            tied,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=variables,
            process_group=0,  # Ctrl-C is the launcher's, which hands it on once
        )
    record = {
        "state": RUNNING,
        "status": None,
        "error": "",
        "failures": before.get("failures", 0),
        "starts": before.get("starts", 0) + 1,
        "host": socket.gethostname(),
        "process": process.pid,
        "started": time.time(),
        "ended": None,
        "arguments": list(job.arguments),
    }
    with contextlib.suppress(OSError):  # the command itself says that the disk is full
        write(folder, record)
    return Attempt(job, folder, process, position)


def finish(attempt: Attempt) -> Outcome:
    """Waits for a command and records how it ended."""
    status = attempt.process.wait()
    outcome = Outcome(DONE, status)
    if status == STOPPED or -status in REQUESTS:  # a signal before the command could hear it
        outcome = Outcome(PREEMPTED, status)
    elif status:
        log = attempt.folder / "job.log"
        outcome = Outcome(FAILED, status, errors.cause(status, log, attempt.position))
    elif not finished(attempt.folder):
        outcome = Outcome(FAILED, WRONG_INPUT, f"{attempt.folder}: ended well, but left no summary and page")
    record = read(attempt.folder)
    failures = record.get("failures", 0) + (outcome.state == FAILED)
    ended = {**outcome._asdict(), "failures": failures, "ended": time.time()}
    with contextlib.suppress(OSError):
        write(attempt.folder, {**record, **ended})
    return outcome


@contextlib.contextmanager
def _handled(stop: Stop) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, stop) for number in REQUESTS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def execute(
    job: Job,
    out: Path,
    environment: Mapping[str, str] | None = None,
    attempts: int = ATTEMPTS,
    stop: Stop | None = None,
) -> Outcome:
    """Runs a job to its end, again after a crash; a finished one is skipped.

    SIGTERM, SIGINT, SIGUSR1 and SIGUSR2 are handed on to the command, which then writes a checkpoint; so is
    a call of `stop`.

    Args:
      job: the job.
      out: folder of all workdirs.
      environment: variables beside those of this process.
      attempts: crashes, counted over all launchers, after which it is not started again.
      stop: for a caller without signals; made here if None.
    """
    folder, stop = out / job.name, stop or Stop()
    with _handled(stop):
        patience = time.monotonic() + PATIENCE
        while not stop.requested:
            if (ended := settled(job, out)) is not None:
                return ended
            if (hopeless := exhausted(folder, attempts)) is not None:
                return hopeless
            if busy(folder):
                if time.monotonic() > patience:
                    return Outcome(FAILED, None, errors.in_use(folder))
                time.sleep(0.1)
                continue
            try:
                attempt = start(job, out, environment)
            except OSError as error:
                return Outcome(FAILED, WRONG_INPUT, errors.unwritable(folder, error))
            stop.watch(attempt.process)
            outcome = finish(attempt)
            if outcome.state != FAILED or outcome.certain:
                return outcome
    return Outcome(PREEMPTED)
