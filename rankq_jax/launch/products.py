"""Jobs from configurations, tasks and values."""

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rankq_jax.errors import InputError
from rankq_jax.launch import fields, names
from rankq_jax.launch.jobs import Job, flags_of

MOST = 10_000  # jobs of a sweep


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"{name}: {value!r} is no text.")
    return value


def _count(value: object, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InputError(f"{name}={value!r}: must be a whole number of at least 0.")
    return value


def _fields(overrides: Mapping[str, object]) -> Mapping[str, Any]:
    if not isinstance(overrides, Mapping):
        raise InputError(f"overrides: {overrides!r} is no mapping from fields to values.")
    for field in overrides:
        _text(field, "a field in overrides")
    return overrides


def _named(parts: Sequence[str], flags: Sequence[str], values: Sequence[object] = ()) -> str:
    """The name of a job of these parts; the text of a value may look like parts of its own."""
    text = "_".join(part for part in parts if part)
    ambiguous = any(re.search("_[^_=]*=", str(value)) for value in values)
    return names.folder(text, tuple(flags) if ambiguous else None)


def product(
    configs: Sequence[str],
    overrides: Mapping[str, Sequence[object]] | None = None,
    *,
    tasks: Sequence[str] = (),
    seeds: int = 0,
    seed: int = 0,
) -> list[Job]:
    """Every configuration on every task with every combination of override values.

    A field in the section of an algorithm, e.g. `rankq.sigma`, is left out where no phase reads that section:
    such a configuration is there once, whatever values the field has.

    Args:
      configs: names of configurations, or paths of files; with a colon and a task where `tasks` is
        empty, e.g. `rankq:pointmaze-umaze`.
      overrides: values to try for each field, e.g. `{"rankq.sigma": (0.15, 0.3)}`. A field with one value
        is set in every job and left out of the names.
      tasks: what follows the colon, e.g. `pointmaze-umaze,smoke`; all of it is part of the name.
      seeds: how many, trained in one process unless they are `packed`; 0 leaves them to the configuration.
      seed: the first of them.

    Raises:
      InputError: if an argument has another type, a task is given twice, no configuration reads a field, or
        there are more than `MOST` jobs.
    """
    given = _fields(overrides or {})
    files = [_text(config, "configs") for config in fields.bounded(configs, "configs", MOST)]
    places = [_text(task, "tasks") for task in fields.bounded(tasks, "tasks", MOST)] or [""]
    tried = {field: fields.bounded(values, f"field {field!r}", MOST) for field, values in given.items()}
    for field, values in tried.items():
        for value in values:
            fields.check_value(value, field)
    if math.prod([len(files), len(places), *map(len, tried.values())]) > MOST:
        raise InputError(f"the product has more than {MOST} jobs; a sweep has {MOST} at most.")
    count, first = _count(seeds, "seeds"), _count(seed, "seed")
    own = {"seed": first, "seeds": count} if count else {}
    runs, heads = [], []
    for config, task, values in itertools.product(files, places, itertools.product(*tried.values())):
        path, _, argument = config.partition(":")
        if argument and task:
            raise InputError(f"{config}: names a task, and so does tasks={task!r}; leave one out.")
        argument = argument or task
        flag = f"--config={path}:{argument}" if argument else f"--config={path}"
        runs.append((flag, dict(zip(tried, values, strict=True))))
        heads.append([Path(path).stem, *argument.split(",")])
    jobs: dict[Job, None] = {}
    for (flag, chosen), kept, head in zip(runs, fields.read_by(runs), heads, strict=True):
        varied = {field: value for field, value in kept.items() if len(tried[field]) > 1}
        flags = (flag, *flags_of({**own, **kept}))
        parts = [*head, *(f"{field}={value}" for field, value in varied.items())]
        made = Job(_named(parts, flags, list(varied.values())), flags)
        if made in jobs and kept == chosen:
            raise InputError(f"two jobs are named {made.name!r}; vary a field between them.")
        jobs[made] = None
    return list(jobs)


def arm(config: str, argument: str, overrides: Mapping[str, object], variant: str = "") -> Job:
    """One arm of a comparison.

    Args:
      config: name of a configuration.
      argument: what follows the colon, e.g. `pointmaze-umaze` or `pointmaze-umaze,paper`; all of it is
        part of the name.
      overrides: value of each field.
      variant: name of the run in tables, where it is not that of the configuration; part of the job's name.

    Raises:
      InputError: if an argument has another type.
    """
    for name, text in (("config", config), ("argument", argument), ("variant", variant)):
        _text(text, name)
    for field, value in _fields(overrides).items():
        fields.check_value(value, field)
    if variant:
        overrides = {"name": variant, **overrides}
    flags = (f"--config={config}:{argument}", *flags_of(overrides))
    return Job(_named([variant or config, *argument.split(",")], flags), flags)
