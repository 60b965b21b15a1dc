"""Sweeps as data: a sweep file defines lists of jobs, `SWEEP` alone or one per budget in `BUDGETS`."""

import itertools
import re
import runpy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

CONFIGS = "experiments/configs"
DEFAULT_BUDGET = "cores"


class Job(NamedTuple):
    """One training run.

    Attributes:
      name: stable, made of what distinguishes it; also the name of its workdir.
      arguments: flags of `experiments.train`, without `--workdir`. `{out}` in one stands for the folder of
        all workdirs, so that a job can use what an earlier one left behind.
    """

    name: str
    arguments: tuple[str, ...]


def _flags(overrides: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(f"--config.{field}={value}" for field, value in overrides.items())


def _path(config: str) -> str:
    return config if "/" in config or config.endswith(".py") else f"{CONFIGS}/{config}.py"


def product(
    configs: Sequence[str],
    overrides: Mapping[str, Sequence[object]] | None = None,
    *,
    tasks: Sequence[str] = (),
    seeds: int = 0,
    seed: int = 0,
) -> list[Job]:
    """Every configuration on every task with every combination of override values.

    Args:
      configs: names of files of `experiments/configs`, or paths; with a colon and a task where `tasks` is
        empty, e.g. `experiments/configs/rankq.py:pointmaze-umaze`.
      overrides: values to try for each field, e.g. `{"rankq.sigma": (0.15, 0.3)}`. A field with one value
        is set in every job and left out of the names.
      tasks: what follows the colon, e.g. `pointmaze-umaze,smoke`; all of it is part of the name.
      seeds: how many, trained in one process unless they are `packed`; 0 leaves them to the configuration.
      seed: the first of them.

    Raises:
      ValueError: if a task is given twice.
    """
    fields = dict(overrides or {})
    own = {"seed": seed, "seeds": seeds} if seeds else {}
    jobs = []
    for config, task, values in itertools.product(
        configs, tasks or ("",), itertools.product(*fields.values())
    ):
        path, _, argument = config.partition(":")
        if argument and task:
            raise ValueError(f"{config}: names a task, and so does tasks={task!r}; leave one out.")
        argument = argument or task
        chosen = dict(zip(fields, values, strict=True))
        varied = [f"{field}={value}" for field, value in chosen.items() if len(fields[field]) > 1]
        name = "_".join(part for part in (Path(path).stem, *argument.split(","), *varied) if part)
        flag = f"--config={_path(path)}" + (f":{argument}" if argument else "")
        jobs.append(Job(name, (flag, *_flags({**own, **chosen}))))
    return jobs


def arm(config: str, argument: str, overrides: Mapping[str, object], variant: str = "") -> Job:
    """One arm of a comparison.

    Args:
      config: name of a file of `experiments/configs`, without `.py`.
      argument: what follows the colon, e.g. `pointmaze-umaze` or `pointmaze-umaze,paper`; all of it is
        part of the name.
      overrides: value of each field.
      variant: name of the run in tables, where it is not that of the configuration; part of the job's name.
    """
    name = "_".join([variant or config, *argument.split(",")])
    if variant:
        overrides = {"name": variant, **overrides}
    return Job(name, (f"--config={CONFIGS}/{config}.py:{argument}", *_flags(overrides)))


def _value(job: Job, field: str) -> int | None:
    values = [flag.split("=")[1] for flag in job.arguments if flag.startswith(f"--config.{field}=")]
    return int(values[-1]) if values and values[-1].isdecimal() else None


def seeds(job: Job) -> tuple[int, int] | None:
    """First seed of a job and how many it has; None if its arguments do not say."""
    count = _value(job, "seeds")
    return None if count is None else (_value(job, "seed") or 0, count)


def needs(job: Job) -> list[str]:
    """Names of the jobs that must be done before, because its arguments name their workdirs."""
    return re.findall(r"\{out\}/([^/,\s]+)", " ".join(job.arguments))


def packed(jobs: Sequence[Job], most: int) -> list[Job]:
    """Jobs of at most `most` seeds each, named by their seeds; 0 leaves all seeds of a job together.

    A job that another one needs stays whole, because what is needed is a folder with all of its seeds.

    Raises:
      ValueError: if `most` is negative.
    """
    if most < 0:
        raise ValueError(f"--pack={most}: must be how many seeds a process trains, or 0 for all of a job.")
    needed = {name for job in jobs for name in needs(job)}
    parts = []
    for job in jobs:
        first, count = seeds(job) or (0, 0)
        if not 0 < most < count or job.name in needed:
            parts.append(job)
            continue
        others = [f for f in job.arguments if not f.startswith(("--config.seed=", "--config.seeds="))]
        for start in range(first, first + count, most):
            size = min(most, first + count - start)
            name = f"seed{start}" if size == 1 else f"seeds{start}-{start + size - 1}"
            flags = _flags({"seed": start, "seeds": size})
            parts.append(Job(f"{job.name}_{name}", (*others, *flags)))
    return parts


def _run(path: str) -> dict[str, Any]:
    try:
        return runpy.run_path(path)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}).") from error
    except Exception as error:  # whatever the file does wrong
        cause = " ".join(str(error).split())
        raise ValueError(f"{path}: fails with {type(error).__name__}: {cause}.") from error


def _chosen(path: str, defined: Mapping[str, Any], budget: str | None) -> object:
    budgets = defined.get("BUDGETS", {})
    if not isinstance(budgets, dict):
        raise ValueError(f"{path}: BUDGETS is not a mapping from names to lists of jobs.")
    if budget is None and "SWEEP" in defined:
        return defined["SWEEP"]
    if not budgets:
        if budget is None:
            raise ValueError(f"{path}: defines no list SWEEP; see launch/sweeps/pointmaze.py.")
        raise ValueError(f"{path}: defines no BUDGETS; leave out --budget.")
    name = DEFAULT_BUDGET if budget is None else budget
    if name not in budgets:
        raise ValueError(f"{path}: has no budget {name!r}; choose --budget of: {', '.join(budgets)}.")
    return budgets[name]


def read(path: str, budget: str | None = None) -> list[Job]:
    """The jobs of a sweep file.

    Args:
      path: of the file.
      budget: name in its `BUDGETS`; None takes `SWEEP`, or without one the budget `cores`.

    Raises:
      ValueError: if the file cannot be read, has no such list, two jobs share a name, or one needs a job
        that does not come before it; one line.
    """
    jobs = _chosen(path, _run(path), budget)
    if not isinstance(jobs, list) or not all(isinstance(job, Job) for job in jobs) or not jobs:
        raise ValueError(f"{path}: its sweep is not a list of jobs; see launch/sweeps/pointmaze.py.")
    names = [job.name for job in jobs]
    for i, job in enumerate(jobs):
        if names.count(job.name) > 1:
            raise ValueError(f"{path}: two jobs are named {job.name!r}; vary a field between them.")
        for name in needs(job):
            if name not in names[:i]:
                raise ValueError(f"{path}: {job.name!r} needs {name!r}; put that job before it.")
    return jobs
