"""A job as data, and what its arguments say about it."""

import re
from collections.abc import Mapping
from typing import NamedTuple


class Job(NamedTuple):
    """One training run.

    Attributes:
      name: stable, made of what distinguishes it; also the name of its workdir.
      arguments: flags of `rankq train`, without `--workdir`. `{out}` in one stands for the folder of
        all workdirs, so that a job can use what an earlier one left behind.
    """

    name: str
    arguments: tuple[str, ...]


def flags_of(overrides: Mapping[str, object]) -> tuple[str, ...]:
    """The flags that set fields of a configuration."""
    return tuple(f"--config.{field}={value}" for field, value in overrides.items())


def _value(job: Job, field: str) -> int | None:
    values = [flag.split("=", 1)[1] for flag in job.arguments if flag.startswith(f"--config.{field}=")]
    return int(values[-1]) if values and values[-1].isdecimal() else None


def seeds(job: Job) -> tuple[int, int] | None:
    """First seed of a job and how many it has; None if its arguments do not say."""
    count = _value(job, "seeds")
    return None if count is None else (_value(job, "seed") or 0, count)


def needs(job: Job) -> list[str]:
    """Names of the jobs that must be done before, because its arguments name their workdirs."""
    return re.findall(r"\{out\}/([^/,\s]+)", " ".join(job.arguments))
