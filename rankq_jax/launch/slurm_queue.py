"""Which tasks of Slurm's queue belong to a folder of workdirs, and how they are.

Every submission has a name of its own in Slurm and a file with the names of its jobs in `.slurm` of that
folder, written before it is submitted: whatever becomes of a launcher, the next one finds what it left.
"""

import json
import re
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rankq_jax.errors import one_line
from rankq_jax.launch.jobs import Job, needs

FOLDER = ".slurm"
LONGEST = 1000  # tasks of an array; Slurm's own limit, MaxArraySize, is one more by default
# States that a task does not leave by itself; in all others Slurm still runs it or will.
OVER = frozenset(
    "BOOT_FAIL CANCELLED COMPLETED DEADLINE FAILED NODE_FAIL OUT_OF_MEMORY PREEMPTED REVOKED TIMEOUT".split()
)


class Task(NamedTuple):
    """A task in the queue, or over and not forgotten yet; it is named `12_0`, or `12` outside of arrays."""

    identifier: str
    state: str

    @property
    def alive(self) -> bool:
        """Whether Slurm runs it or will."""
        return self.state not in OVER


def arrays(jobs: Sequence[Job], undone: set[str]) -> list[tuple[tuple[str, ...], list[Job]]]:
    """Pairs of the names of what is undone that jobs wait for and these jobs, `LONGEST` at most.

    They keep the order of `jobs`, in which what a job needs comes before it.
    """
    groups: dict[tuple[str, ...], list[Job]] = {}
    for job in jobs:
        awaited = tuple(sorted({name for name in needs(job) if name in undone}))
        groups.setdefault(awaited, []).append(job)
    return [
        (awaited, group[start : start + LONGEST])
        for awaited, group in groups.items()
        for start in range(0, len(group), LONGEST)
    ]


def new_submission(out: Path, names: Sequence[str]) -> str:
    """A name in Slurm for jobs that are about to be submitted as one array, in this order."""
    folder = out / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{re.sub(r'[^A-Za-z0-9._-]', '_', out.resolve().name)}-{uuid.uuid4().hex[:8]}"
    (folder / f"{name}.json").write_text(json.dumps(list(names)) + "\n", encoding="utf-8")
    return name


def _ask(*filters: str) -> list[list[str]]:
    command = ["squeue", "--noheader", "--array", "--states=all", "--format=%i|%T|%j", *filters]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeError(f"squeue does not answer ({error}).") from error
    if done.returncode:
        raise RuntimeError(f"squeue: {one_line(done.stderr)}")
    return [line.split("|")[:3] for line in done.stdout.splitlines() if line.count("|") >= 2]


def state(task: str) -> str:
    """The state of one task, empty if Slurm does not know it; a RuntimeError if it does not answer."""
    return next((words[1] for words in _ask(f"--jobs={task}") if words[0] == task), "")


def tasks(out: Path) -> dict[str, Task]:
    """The task of every job below `out` that Slurm knows; the newest where it was submitted more than once.

    Raises a RuntimeError of one line if Slurm does not answer.
    """
    submissions = {path.stem: path for path in sorted((out / FOLDER).glob("*.json"))}
    found: dict[str, Task] = {}
    rank: dict[str, tuple[bool, int]] = {}
    for identifier, word, name in _ask("--me") if submissions else []:
        if name not in submissions:
            continue
        number, _, index = identifier.partition("_")
        job = json.loads(submissions[name].read_text(encoding="utf-8"))[int(index or 0)]
        task = Task(identifier, word)
        if job not in found or rank[job] < (task.alive, int(number)):
            found[job], rank[job] = task, (task.alive, int(number))
    return found
