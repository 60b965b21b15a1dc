"""One job: its command line in a subprocess, started again after a crash, and recorded in its workdir."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rankq_jax.launch import errors
from rankq_jax.launch.jobs import Job
from rankq_jax.launch.ownership import foreign
from rankq_jax.launch.record import DONE, FAILED, PREEMPTED, RUNNING, busy, finished, read, size_of, write

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
      state: DONE, FAILED, or another one with which the same command goes on, as PREEMPTED.
      status: exit status, negative for a signal; None if nothing was started.
      error: one line; empty unless failed.
    """

    state: str
    status: int | None = None
    error: str = ""


class Attempt(NamedTuple):
    """A started command: in which workdir, as which process, and where its part of the log begins."""

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


def ended(job: Job, out: Path, attempts: int) -> Outcome | None:
    """How a job ended that is not started again, done or given up; else None."""
    return settled(job, out) or exhausted(out / job.name, attempts)


def start(
    job: Job, out: Path, environment: Mapping[str, str] | None = None, cores: Sequence[int] = ()
) -> Attempt:
    """Starts a job's command; its workdir is made, its output goes to `job.log` there.

    Call it from a thread that lives as long as the job: the kernel ties the command to it. The arguments are
    those of `execute`.

    Raises:
      OSError: if the workdir cannot be written to.
    """
    folder = out / job.name
    folder.mkdir(parents=True, exist_ok=True)
    before, words = read(folder), command(job, out)
    tied = [sys.executable, "-S", "-c", _TIED, str(os.getpid()), ",".join(map(str, cores)), *words]
    env = {**os.environ, **(environment or {})}
    with (folder / "job.log").open("ab") as log:
        position = log.tell()
        # A process group of its own: Ctrl-C is the launcher's, which hands it on once.
        process = subprocess.Popen(
            tied, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=env, process_group=0
        )
    record = {
        **Outcome(RUNNING)._asdict(),
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
    return Attempt(folder, process, position)


def finish(attempt: Attempt) -> Outcome:
    """Waits for a command and records how it ended."""
    status = attempt.process.wait()
    outcome = Outcome(DONE, status)
    if status == STOPPED or -status in REQUESTS:  # a signal before the command could hear it
        outcome = Outcome(PREEMPTED, status)
    elif status:
        error = errors.cause(status, attempt.folder / "job.log", attempt.position)
        outcome = Outcome(FAILED, status, error)
    elif not finished(attempt.folder):
        outcome = Outcome(FAILED, WRONG_INPUT, f"{attempt.folder}: ended well, but left no summary and page")
    record = read(attempt.folder)
    failures = record.get("failures", 0) + (outcome.state == FAILED)
    with contextlib.suppress(OSError):
        write(attempt.folder, {**record, **outcome._asdict(), "failures": failures, "ended": time.time()})
    return outcome


@contextlib.contextmanager
def hearing(handler: Callable[[int, Any], None], numbers: Sequence[int] = REQUESTS) -> Iterator[None]:
    """Inside, `handler` is called with signals of this process; not in threads, which get none."""
    heard = numbers if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.signal(number, handler) for number in heard}
    try:
        yield
    finally:
        for number, known in before.items():
            signal.signal(number, known)


def say(name: str, text: str) -> None:
    """Prints a line about a job, whole though other threads print too."""
    print(f"{name}: {text}\n", end="", flush=True)


def execute(
    job: Job,
    out: Path,
    environment: Mapping[str, str] | None = None,
    attempts: int = ATTEMPTS,
    stop: Stop | None = None,
    cores: Sequence[int] = (),
) -> Outcome:
    """Runs a job to its end, again after a crash and after a stop that nobody asked for.

    A finished job is skipped, and a process that is in the workdir already is waited for. SIGTERM, SIGINT,
    SIGUSR1 and SIGUSR2 are handed on to the command, which then writes a checkpoint; so is a call of `stop`.

    Args:
      job: the job.
      out: folder of all workdirs.
      environment: variables beside those of this process.
      attempts: crashes, counted over all launchers, after which it is not started again; also stops in a row
        without new metrics.
      stop: for a caller without signals; made here if None.
      cores: that it may run on; all if empty.
    """
    folder, stop = out / job.name, stop or Stop()
    before: Outcome | None = None  # of the command before
    since, measured, stalls = time.monotonic(), 0, 0
    with hearing(stop):
        while True:
            if (found := ended(job, out, attempts)) is not None:
                return found
            if stop.requested:
                return Outcome(PREEMPTED)
            if busy(folder):
                if time.monotonic() > since + PATIENCE:
                    text = "another process works there; wait for it or stop it, then run the same command"
                    return Outcome(FAILED, None, f"{folder}: {text}.")
                time.sleep(0.1)
                continue
            if before is not None:
                say(job.name, f"{before.state} {before.error}".rstrip() + "; starts again")
            try:
                attempt = start(job, out, environment, cores)
            except OSError as error:
                text = f"cannot be written to ({error.strerror}); free the disk or choose another --out"
                return Outcome(FAILED, WRONG_INPUT, f"{folder}: {text}.")
            say(job.name, f"running, {folder / 'job.log'}")
            stop.watch(attempt.process)
            before, since = finish(attempt), time.monotonic()
            if before.state == DONE or before.status in CERTAIN:
                return before
            if before.state == PREEMPTED:
                size = size_of(folder / "metrics.jsonl")
                stalls = 0 if size > measured else stalls + 1
                measured = max(size, measured)
                if stop.requested or stalls >= attempts:
                    return before
