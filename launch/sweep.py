"""Sweeps as data: a sweep file defines `SWEEP`, a list of jobs."""

import itertools
import runpy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Job(NamedTuple):
    """One training run.

    Attributes:
      name: stable, made of what distinguishes it; also the name of its workdir.
      arguments: flags of `experiments.train`, without `--workdir`.
    """

    name: str
    arguments: tuple[str, ...]


def product(configs: Sequence[str], overrides: Mapping[str, Sequence[object]] | None = None) -> list[Job]:
    """Every configuration with every combination of override values.

    Args:
      configs: values of `--config`, e.g. `experiments/configs/rankq.py:pointmaze-umaze`.
      overrides: values to try for each field, e.g. `{"rankq.sigma": (0.15, 0.3)}`. A field with one value
        is set in every job and left out of the names.
    """
    fields = dict(overrides or {})
    jobs = []
    for config, values in itertools.product(configs, itertools.product(*fields.values())):
        path, _, argument = config.partition(":")
        chosen = list(zip(fields, values, strict=True))
        varied = [f"{field}={value}" for field, value in chosen if len(fields[field]) > 1]
        parts = [Path(path).stem, *argument.split(",")[:1], *varied]
        flags = [f"--config.{field}={value}" for field, value in chosen]
        jobs.append(Job("_".join(part for part in parts if part), (f"--config={config}", *flags)))
    return jobs


def read(path: str) -> list[Job]:
    """The jobs of a sweep file.

    Raises:
      ValueError: if it cannot be read, defines no `SWEEP`, or two jobs share a name; one line.
    """
    try:
        jobs = runpy.run_path(path).get("SWEEP")
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}).") from error
    if not isinstance(jobs, list):
        raise ValueError(f"{path}: defines no list SWEEP; see launch/sweeps/pointmaze.py.")
    names = [job.name for job in jobs]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{path}: two jobs are named {name!r}; vary a field between them.")
    return jobs
