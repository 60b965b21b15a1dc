"""Sweeps as data: a sweep file defines lists of jobs, `SWEEP` alone or one per budget in `BUDGETS`."""

import runpy
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rankq_jax.errors import InputError, one_line
from rankq_jax.launch import names
from rankq_jax.launch.jobs import Job, flags_of, needs, seeds
from rankq_jax.launch.products import MOST, arm, product

__all__ = ["DEFAULT_BUDGET", "Job", "arm", "needs", "packed", "product", "read", "seeds"]

DEFAULT_BUDGET = "cores"


def _differ(jobs: Sequence[str], place: str) -> None:
    for name, times in Counter(jobs).items():
        if times > 1:
            raise InputError(f"{place}: two jobs are named {name!r}; vary a field between them.")


def packed(jobs: Sequence[Job], most: int) -> list[Job]:
    """Jobs of at most `most` seeds each, named by their seeds; 0 leaves all seeds of a job together.

    A job that another one needs stays whole, because what is needed is a folder with all of its seeds.

    Raises:
      InputError: if `most` is negative, or two jobs then share a name.
    """
    if most < 0:
        raise InputError(f"--pack={most}: must be how many seeds a process trains, or 0 for all of a job.")
    needed = {name for job in jobs for name in needs(job)}
    parts = []
    for job in jobs:
        first, count = seeds(job) or (0, 0)
        if not 0 < most < count or job.name in needed:
            parts.append(job)
            continue
        if len(parts) + count / most > MOST:
            raise InputError(f"--pack={most}: makes more than {MOST} jobs; take more seeds for each.")
        others = [f for f in job.arguments if not f.startswith(("--config.seed=", "--config.seeds="))]
        for start in range(first, first + count, most):
            size = min(most, first + count - start)
            name = f"seed{start}" if size == 1 else f"seeds{start}-{start + size - 1}"
            flags = flags_of({"seed": start, "seeds": size})
            parts.append(Job(names.part(job.name, name), (*others, *flags)))
    _differ([job.name for job in parts], "--pack")
    return parts


def _line(error: BaseException, path: str) -> str:
    """`, line N` of a sweep file in which an error came up; empty if none is known."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return f", line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return f", line {lines[-1]}" if lines else ""


def _run(path: str) -> dict[str, Any]:
    if Path(path[:4096]).is_dir():
        raise InputError(f"{path}: is a folder; give the file of the sweep.")
    try:
        return runpy.run_path(path)
    except SystemExit as error:
        raise InputError(f"{path}{_line(error, path)}: exits; a sweep file only defines its jobs.") from error
    except Exception as error:  # whatever the file does wrong
        line = _line(error, path)
        if isinstance(error, OSError) and not line:
            raise InputError(f"{path}: cannot be read ({error.strerror or error}).") from error
        cause = f"{type(error).__name__}: {one_line(error)}".removesuffix(".")
        raise InputError(f"{path}{line}: fails with {cause}.") from error


def _chosen(path: str, defined: Mapping[str, Any], budget: str | None) -> object:
    budgets = defined.get("BUDGETS", {})
    if not isinstance(budgets, dict):
        raise InputError(f"{path}: BUDGETS is not a mapping from names to lists of jobs.")
    if budget is None and "SWEEP" in defined:
        return defined["SWEEP"]
    if not budgets:
        if budget is None:
            raise InputError(f"{path}: defines no list SWEEP; see docs/launching.md.")
        raise InputError(f"{path}: defines no BUDGETS; leave out --budget.")
    name = DEFAULT_BUDGET if budget is None else budget
    known = ", ".join(map(str, budgets))
    if name not in budgets:
        raise InputError(f"{path}: has no budget {name!r}; choose --budget of: {known}.")
    return budgets[name]


def _is_flag(word: object) -> bool:
    return isinstance(word, str) and "\0" not in word and word == word.encode(errors="ignore").decode()


def _checked(jobs: object, path: str) -> list[Job]:
    if not isinstance(jobs, list) or not all(isinstance(job, Job) for job in jobs) or not jobs:
        raise InputError(f"{path}: its sweep is not a list of jobs; see docs/launching.md.")
    if len(jobs) > MOST:
        raise InputError(f"{path}: has {len(jobs)} jobs; a sweep has {MOST} at most.")
    for i, job in enumerate(jobs):
        if wrong := names.problem(job.name):
            raise InputError(f"{path}: the name of job {i}, {job.name!r:.100}, {wrong}; choose another.")
        words = job.arguments
        if isinstance(words, str) or not isinstance(words, tuple | list) or not all(map(_is_flag, words)):
            raise InputError(f"{path}: the arguments of {job.name!r} are no tuple of texts without NUL.")
    return [job._replace(arguments=tuple(job.arguments)) for job in jobs]


def read(path: str, budget: str | None = None) -> list[Job]:
    """The jobs of a sweep file.

    Args:
      path: of the file.
      budget: name in its `BUDGETS`; None takes `SWEEP`, or without one the budget `cores`.

    Raises:
      InputError: if the file cannot be read, fails or exits, has no such list, a job has a name that no
        folder can have or that another one has, or one needs a job that does not come before it; one line.
    """
    jobs = _checked(_chosen(path, _run(path), budget), path)
    _differ([job.name for job in jobs], path)
    before: set[str] = set()
    for job in jobs:
        for name in needs(job):
            if name not in before:
                raise InputError(f"{path}: {job.name!r} needs {name!r}; put that job before it.")
        before.add(job.name)
    return jobs
