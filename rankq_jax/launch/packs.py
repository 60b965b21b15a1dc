"""Jobs split by their seeds, as the folder of the workdirs already has them."""

import re
from collections.abc import Sequence
from pathlib import Path

from rankq_jax.errors import InputError
from rankq_jax.launch.jobs import Job, needs, seeds
from rankq_jax.launch.sweep import packed

_PART = re.compile(r"_(?:seed\d+|seeds\d+-\d+)\Z")


def whole(name: str) -> str:
    """The name of the job that a job is a part of, by its name; itself if it is none."""
    return _PART.sub("", name)


def _size(name: str) -> int:
    """How many seeds a part has, by its name."""
    first, _, last = name.rpartition("_")[2].removeprefix("seeds").partition("-")
    return int(last) - int(first) + 1 if last else 1


def _parts_of(job: Job, most: int) -> set[str]:
    """Names of the parts of a job of at most `most` seeds each; empty where it stays whole."""
    return {part.name for part in packed([job], most)} - {job.name}


def _found(jobs: Sequence[Job], others: set[str], out: Path) -> tuple[dict[str, set[str]], set[str]]:
    """`{job: names of the parts of it that have a workdir}`, and the jobs with one for all of their seeds."""
    own = {job.name for job in jobs}
    there = {entry.name for entry in out.iterdir() if entry.is_dir()} if out.is_dir() else set()
    split = {name for name in there - own - others if _PART.search(name)}
    parts: dict[str, set[str]] = {}
    for name in split:
        parts.setdefault(whole(name), set()).add(name)
    return {job.name: parts[job.name] for job in jobs if job.name in parts}, own & there


def jobs(planned: Sequence[Job], most: int | None, out: Path) -> list[Job]:
    """The jobs of a sweep with at most `most` seeds in each; None: as the workdirs below `out` have them.

    What one process was given once is never given to another one beside it.

    Raises:
      InputError: if the workdirs below `out` were made with another number, or with several; one line.
    """
    if most is not None and most < 0:
        return packed(planned, most)
    needed = {name for job in planned for name in needs(job)}
    divisible = [job for job in planned if (seeds(job) or (0, 0))[1] > 1 and job.name not in needed]
    parts, begun = _found(divisible, {job.name for job in planned}, out)
    if not parts:
        single = sorted(job.name for job in divisible if job.name in begun and _parts_of(job, most or 0))
        if single:
            raise InputError(f"{out / single[0]}: trains all seeds of its job; leave out --pack={most}.")
        return packed(planned, most or 0)
    tried = sorted({_size(name) for own in parts.values() for name in own}) if most is None else [most]
    names = {job.name: job for job in divisible}
    fitting = [n for n in tried if all(own <= _parts_of(names[job], n) for job, own in parts.items())]
    # A whole workdir beside parts: of a job with so few seeds that it was never split.
    fitting = [n for n in fitting if not any(_parts_of(names[job], n) for job in begun)]
    if fitting:
        return packed(planned, fitting[-1])
    one = out / min(min(own) for own in parts.values())
    if most is not None:
        raise InputError(f"{one}: was made with another --pack than {most}; leave that out.")
    raise InputError(
        f"{out}: has workdirs of several --pack, or of whole jobs beside parts, e.g. {one.name}; choose "
        "another --out or remove what is not wanted."
    )
