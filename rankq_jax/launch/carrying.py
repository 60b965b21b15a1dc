"""Jobs handed on between machines: of a finished one its records, of a begun one a small checkpoint."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rankq_jax.errors import InputError
from rankq_jax.launch import record
from rankq_jax.launch.jobs import Job, needs

LIMIT = 16 * 2**20  # bytes of a job that is begun; those of a large replay stay where they are
CHECKPOINTS, REPLAY = "checkpoints", "replay"
LEFT = ("lock", "tensorboard")  # which nobody needs elsewhere
RESUMED = ("job.log", "backbone.npz", "owner.json")  # which only who goes on with a run needs


def _newest(folder: Path) -> Path | None:
    """The newest checkpoint of a workdir."""
    found = folder / CHECKPOINTS
    numbers = [int(path.name) for path in found.iterdir() if path.name.isdigit()] if found.is_dir() else []
    return found / str(max(numbers)) if numbers else None


def _kept(folder: Path, newest: Path | None = None) -> Iterator[Path]:
    """The files of a workdir that another machine needs; of its checkpoints all, or the newest alone."""
    done = record.finished(folder)
    for path in sorted(folder.rglob("*")):
        first, *rest = path.relative_to(folder).parts
        if not path.is_file() or first in LEFT:
            continue
        if done and (first in (*RESUMED, CHECKPOINTS) or first.startswith("trajectories-")):
            continue
        if first == CHECKPOINTS and rest[0] != REPLAY:
            if not rest[0].isdigit() or newest not in (None, folder / CHECKPOINTS / rest[0]):
                continue
        yield path


def hand_on(jobs: Sequence[Job], out: Path, carried: Path) -> list[str]:
    """Copies what other machines need of the jobs that were begun or finished below `out`.

    Returns:
      A line for each begun job that is not copied, because it has no checkpoint or a large one.

    Raises:
      InputError: if the folder cannot be written to.
    """
    told = []
    for name in (job.name for job in jobs if (out / job.name / "config.json").exists()):
        folder, there = out / name, carried / name
        files = list(_kept(folder))
        if not record.finished(folder):
            newest = _newest(folder)
            if newest is None:
                told.append(f"{name}: has no checkpoint yet, so it is not handed on")
                continue
            if _size(files) > LIMIT:  # the best one and those before the newest stay behind
                files = list(_kept(folder, newest))
            if _size(files) > LIMIT:
                size = _size(files) / 2**20
                told.append(f"{name}: its checkpoint takes {size:.0f} MiB, so it is not handed on")
                continue
        _copied(folder, files, there)
    return told


def _size(files: Sequence[Path]) -> int:
    return sum(path.stat().st_size for path in files)


def _copied(folder: Path, files: Sequence[Path], there: Path) -> None:
    try:
        _copy(folder, files, there)
    except OSError as error:
        raise InputError(f"{there}: cannot be written ({error.strerror}); make room.") from error


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


def done_elsewhere(jobs: Sequence[Job], carried: Sequence[Path]) -> dict[str, Path]:
    """`{name: workdir}` of the jobs that other machines have finished.

    Jobs that another one needs are left out: records alone are not enough for it.
    """
    needed = {name for job in jobs for name in needs(job)}
    found = {}
    for name in (job.name for job in jobs if job.name not in needed):
        there = next((path / name for path in carried if record.finished(path / name)), None)
        if there is not None:
            found[name] = there
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
            _copied(there, list(_kept(there)), carried / name)


def take_over(jobs: Sequence[Job], carried: Sequence[Path], out: Path) -> None:
    """Copies jobs that other machines have begun to `out`, where they have not been begun.

    Raises:
      InputError: if `out` cannot be written to.
    """
    for name in (job.name for job in jobs if not (out / job.name / "config.json").exists()):
        begun = next((path / name for path in carried if (path / name / "config.json").exists()), None)
        if begun is not None:
            _copied(begun, list(_kept(begun)), out / name)
