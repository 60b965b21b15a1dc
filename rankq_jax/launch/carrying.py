"""Jobs handed on between machines: of a finished one its records, of a begun one a small checkpoint."""

import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rankq_jax.errors import InputError
from rankq_jax.launch import ownership, readings, record
from rankq_jax.launch.jobs import Job, needs

LIMIT = 16 * 2**20  # bytes of a job with checkpoints; those of a large replay stay where they are
CHECKPOINTS, REPLAY = "checkpoints", "replay"
LEFT = ("lock", "tensorboard")  # which nobody needs elsewhere
RESUMED = ("job.log", "backbone.npz", "owner.json")  # which only who goes on with a run needs


def _checkpoints(folder: Path) -> dict[int, dict[str, Any]]:
    """What the checkpoints of a workdir say of themselves, by number."""
    found = folder / CHECKPOINTS
    numbers = (
        sorted(int(path.name) for path in found.iterdir() if path.name.isdigit()) if found.is_dir() else []
    )
    return {number: readings.mapping(found / str(number) / "about" / "metadata") for number in numbers}


def _progress(folder: Path) -> tuple[bool, float, int]:
    """How far a workdir is: whether it is finished, and steps and number of its newest checkpoint."""
    if not (found := _checkpoints(folder)):
        return record.finished(folder), 0.0, -1
    newest = max(found)
    notes = readings.within(found[newest].get("notes"))
    steps = sum(readings.number(notes.get(name)) or 0.0 for name in ("updates", "env_steps"))
    return record.finished(folder), steps, newest


def _kept(folder: Path, numbers: Collection[int]) -> Iterator[Path]:
    """The files of a workdir that another machine needs, with the checkpoints of these numbers."""
    records_only = not numbers and record.finished(folder)
    for path in sorted(folder.rglob("*")):
        first, *rest = path.relative_to(folder).parts
        if not path.is_file() or first in LEFT:
            continue
        if records_only and (first in (*RESUMED, CHECKPOINTS) or first.startswith("trajectories-")):
            continue
        if first == CHECKPOINTS and rest[0] != REPLAY and rest[0] not in map(str, numbers):
            continue
        yield path


def _small(folder: Path) -> tuple[list[Path], int]:
    """The files of a workdir with checkpoints, and their bytes: with fewer of them if all take too much.

    The newest is what the run goes on from, the newest anchor what a restart begins at.
    """
    about = _checkpoints(folder)
    anchors = [number for number, notes in about.items() if notes.get("anchor") is True]
    files = list[Path]()
    for numbers in (set(about), {max(about), *anchors[-1:]}):
        files = list(_kept(folder, numbers))
        if _size(files) <= LIMIT:
            break
    return files, _size(files)


def _size(files: Sequence[Path]) -> int:
    return sum(path.stat().st_size for path in files)


def _needed(jobs: Sequence[Job]) -> set[str]:
    return {name for job in jobs for name in needs(job)}


def hand_on(jobs: Sequence[Job], out: Path, carried: Path) -> list[str]:
    """Copies what other machines need of the jobs that were begun or finished below `out`.

    What is there already and further is not replaced.

    Returns:
      A line for each job that is not copied: a process works in it, its path is in its records, or it has
      no checkpoint or a large one.

    Raises:
      InputError: if the folder cannot be written to.
    """
    told, needed = [], _needed(jobs)
    for job in jobs:
        folder, there = out / job.name, carried / job.name
        if not (folder / "config.json").exists() or _progress(there) > _progress(folder):
            continue
        finished, _, newest = _progress(folder)
        if finished and job.name not in needed:
            _copied(folder, list(_kept(folder, ())), there)
            continue
        files, size = _small(folder) if newest >= 0 else ([], 0)
        why = ""
        if record.busy(folder):
            why = "a process works in its workdir"
        elif newest < 0:
            why = "has no checkpoint yet"
        elif needs(job) and not finished:
            why = f"its configuration names the workdir of {needs(job)[0]} on this machine"
        elif size > LIMIT:
            why = f"its checkpoint takes {size / 2**20:.0f} MiB"
        if why:
            told.append(f"{job.name}: {why}, so it is not handed on")
        else:
            _copied(folder, files, there)
    return told


def _copied(folder: Path, files: Sequence[Path], there: Path) -> None:
    try:
        _copy(folder, files, there)
    except OSError as error:
        raise InputError(f"{there}: cannot be copied from {folder} ({error.strerror}); make room.") from error


def _copy(folder: Path, files: Sequence[Path], there: Path) -> None:
    """The files in a folder at its place; what lay there before goes when all are copied."""
    part, old = there.with_name(f"{there.name}.part"), there.with_name(f"{there.name}.old")
    for path in (part, old):
        shutil.rmtree(path, ignore_errors=True)
    for path in files:
        target = part / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    if there.exists():
        there.rename(old)
    part.rename(there)
    shutil.rmtree(old, ignore_errors=True)


def check_folders(carried: Sequence[Path], out: Path) -> None:
    """Makes the first folder, which is written to.

    Raises:
      InputError: if it cannot be made, if another one is not there, or if one is that of all workdirs.
    """
    for folder in carried:
        if folder.exists() and not folder.is_dir():
            raise InputError(f"--carry={folder}: is no folder; give one, which may be new.")
        if folder.resolve() == out.resolve():
            raise InputError(f"--carry={folder}: is the folder of --out; give another one.")
    for folder in carried[1:]:
        if not folder.exists():
            raise InputError(f"--carry={folder}: is not there; only the first folder may be new.")
    for folder in carried[:1]:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"--carry={folder}: cannot be made ({error.strerror}); give another one."
            ) from error


def _workdirs(job: Job, carried: Sequence[Path]) -> list[Path]:
    """The workdirs of a job in folders that were carried.

    Raises:
      InputError: if one holds another job.
    """
    found = [path for path in carried if (path / job.name / "config.json").exists()]
    for path in found:
        if other := ownership.foreign(job, path, "give another --carry"):
            raise InputError(other)
    return [path / job.name for path in found]


def done_elsewhere(jobs: Sequence[Job], carried: Sequence[Path]) -> dict[str, Path]:
    """`{name: workdir}` of the jobs that other machines have finished.

    Jobs that another one needs are left out: records alone are not enough for it.

    Raises:
      InputError: if a folder holds another job of that name.
    """
    needed = _needed(jobs)
    found = {}
    for job in jobs:
        there = next((path for path in _workdirs(job, carried) if record.finished(path)), None)
        if there is not None and job.name not in needed:
            found[job.name] = there
    return found


def gather(done: Mapping[str, Path], carried: Path) -> None:
    """Copies jobs that are done elsewhere, so that who has this folder needs no other one.

    Args:
      done: what `done_elsewhere` returned.
      carried: the folder that is handed on.

    Raises:
      InputError: if it cannot be written to.
    """
    for name, there in done.items():
        if there != carried / name:
            _copied(there, list(_kept(there, ())), carried / name)


def take_over(jobs: Sequence[Job], carried: Sequence[Path], out: Path) -> None:
    """Copies the jobs to `out` that are further in a folder that was carried: the furthest of each.

    Raises:
      InputError: if `out` cannot be written to.
    """
    for job in jobs:
        found = [path for path in _workdirs(job, carried) if _checkpoints(path)]
        furthest = max(found, key=_progress, default=None)
        here = out / job.name
        if furthest is None or record.busy(here):
            continue
        if not (here / "config.json").exists() or _progress(furthest) > _progress(here):
            _copied(furthest, list(_kept(furthest, _checkpoints(furthest))), here)
