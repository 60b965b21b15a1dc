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


def jobs(planned: Sequence[Job], most: int | None, out: Path) -> list[Job]:
    """The jobs of a sweep with at most `most` seeds in each; None: as the workdirs below `out` have them.

    What one process was given once is never given to another one beside it.

    Raises:
      InputError: if the workdirs below `out` were made with another number, or with several; one line.
    """
    needed = {name for job in planned for name in needs(job)}
    divisible = {job.name for job in planned if (seeds(job) or (0, 0))[1] > 1 and job.name not in needed}
    there = {entry.name for entry in out.iterdir() if entry.is_dir()} if out.is_dir() else set()
    parts = {name for name in there - {job.name for job in planned} if whole(name) in divisible}
    begun = parts | (there & divisible)
    tried = sorted(map(_size, parts), reverse=True) or [0] if most is None else [most]
    for size in dict.fromkeys(tried):
        found = packed(planned, size)
        if not (others := begun - {job.name for job in found}):
            return found
    if most is not None:
        raise InputError(f"{out / min(others)}: was made with another --pack than {most}; leave that out.")
    raise InputError(
        f"{out}: has workdirs of several --pack, or of whole jobs beside parts, e.g. {min(parts)}; choose "
        "another --out or remove what is not wanted."
    )
