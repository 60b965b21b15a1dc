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


def _judged(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The fields of a record that are what they must be, and the names of the others."""
    found = readings.mapping(folder / "job.json")
    judged = {name: kind(found[name]) for name, kind in _KINDS.items() if name in found}
    wrong = [
        name
        for name, value in judged.items()
        if value is None and not (name in _EMPTY and found[name] is None)
    ]
    return {name: value for name, value in judged.items() if name not in wrong}, wrong


def read(folder: Path) -> dict[str, Any]:
    """The record of a workdir, empty if there is none; fields of another type are left out.

    It has `state`, `status`, `error`, how many `failures` and `starts` there were, `host` and `process`,
    `started` and `ended` in seconds since 1970, and the `arguments` of the job.
    """
    return _judged(folder)[0]


def damage(folder: Path) -> str:
    """Which fields of the record have another type than they should, in one line; empty if none has."""
    if not (folder / "job.json").exists():
        return ""
    known, wrong = _judged(folder)
    wrong += ["state"] * (known.get("state") not in STATES and "state" not in wrong)
    return f"{folder / 'job.json'}: cannot read {', '.join(wrong)}" if wrong else ""


def write(folder: Path, record: Mapping[str, Any]) -> None:
    """Replaces the record in one move.

    Raises:
      OSError: if it cannot be written.
    """
    files.write(folder / "job.json", (json.dumps(record, indent=1) + "\n").encode())


def finished(folder: Path) -> bool:
    """Whether there is nothing left to do; a run that was killed while it wrote its page has that left."""
    return (folder / "summary.json").exists() and (folder / "report" / "index.html").exists()


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
        # The kernel is exchanging the program; or it has ended, and its parent has not asked.
        time.sleep(0.01)
    # Another process may have got the number meanwhile.
    return any(
        word.startswith("--workdir=") and Path(word.partition("=")[2]).name == folder.name
        for word in words.split("\0")
    )


def busy(folder: Path) -> bool:
    """Whether a process works in the workdir, or is about to and has not taken the lock yet."""
    record = read(folder)
    return (record.get("state") == RUNNING and alive(folder, record)) or files.is_held(folder / "lock")


def size_of(path: Path) -> int:
    """Bytes of a file, 0 if there is none."""
    return path.stat().st_size if path.exists() else 0
