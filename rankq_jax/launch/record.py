"""What is known of a job from its workdir: the record of its last attempt, its lock, what it has finished.

The launcher owns the entries of a workdir that begin with `job.`: `job.json` says what became of the last
attempt, `job.log` has the output of all of them. Everything else there is the training command's.
"""

import json
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rankq_jax import files
from rankq_jax.launch import readings

STATES = QUEUED, RUNNING, PREEMPTED, FAILED, DONE = "queued", "running", "preempted", "failed", "done"


# What each field of a record must be.
_KINDS: dict[str, Callable[[object], Any]] = {
    "state": readings.text, "status": readings.whole, "error": readings.text, "failures": readings.whole,
    "starts": readings.whole, "host": readings.text, "process": readings.whole, "started": readings.number,
    "ended": readings.number, "arguments": readings.texts,
}  # fmt: skip
_EMPTY = ("status", "ended")  # fields that a whole record may have as null


def read(folder: Path) -> dict[str, Any]:
    """The record of a workdir, empty if there is none; fields of another type are left out.

    It has `state`, `status`, `error`, how many `failures` and `starts` there were, `host` and `process`,
    `started` and `ended` in seconds since 1970, and the `arguments` of the job.
    """
    found = readings.mapping(folder / "job.json")
    known = {name: kind(found[name]) for name, kind in _KINDS.items() if name in found}
    return {name: value for name, value in known.items() if value is not None or name in _EMPTY}


def damage(folder: Path) -> str:
    """Which fields of the record have another type than they should, in one line; empty if none has."""
    path = folder / "job.json"
    if not path.exists():
        return ""
    found = readings.mapping(path)
    wrong = [
        name
        for name, kind in _KINDS.items()
        if name in found and kind(found[name]) is None and not (name in _EMPTY and found[name] is None)
    ]
    wrong += ["state"] * (found.get("state") not in STATES and "state" not in wrong)
    return f"{path}: cannot read {', '.join(wrong)}" if wrong else ""


def write(folder: Path, record: Mapping[str, Any]) -> None:
    """Replaces the record in one move.

    Raises:
      OSError: if it cannot be written.
    """
    files.write(folder / "job.json", (json.dumps(record, indent=1) + "\n").encode())


def finished(folder: Path) -> bool:
    """Whether there is nothing left to do; a run that was killed while it wrote its page has that left."""
    return (folder / "summary.json").exists() and (folder / "report" / "index.html").exists()


def locked(folder: Path) -> bool:
    """Whether a process holds the lock of the workdir."""
    return files.is_held(folder / "lock")


def alive(folder: Path, record: Mapping[str, Any]) -> bool:
    """Whether the recorded process still is that job's, as far as this machine can know."""
    if record.get("host") != socket.gethostname() or "process" not in record:
        return False
    words = ""
    for _ in range(5):
        try:
            words = Path(f"/proc/{record.get('process')}/cmdline").read_bytes().decode(errors="replace")
        except OSError:
            return False
        if words:
            break
        time.sleep(
            0.01
        )  # the kernel is exchanging the program; or it has ended, and its parent has not asked
    # Another process may have got the number meanwhile.
    return any(
        word.startswith("--workdir=") and Path(word.partition("=")[2]).name == folder.name
        for word in words.split("\0")
    )


def busy(folder: Path) -> bool:
    """Whether a process works in the workdir, or is about to and has not taken the lock yet."""
    record = read(folder)
    return (record.get("state") == RUNNING and alive(folder, record)) or locked(folder)


class Stalls:
    """Counts stops of jobs in a row that left no new metrics, so that nothing restarts in vain for ever."""

    def __init__(self) -> None:
        self._seen: dict[Path, tuple[int, int]] = {}  # bytes of metrics, and stops since they grew

    def after_stop(self, folder: Path) -> int:
        """How many such stops a workdir has seen, with the one just now."""
        try:
            size = (folder / "metrics.jsonl").stat().st_size
        except OSError:
            size = 0
        before, times = self._seen.get(folder, (0, 0))
        times = 0 if size > before else times + 1
        self._seen[folder] = max(size, before), times
        return times
