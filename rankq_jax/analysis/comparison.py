"""Finished runs as the arms of a comparison: which of them may stand in one table."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rankq_jax.analysis import evaluations, groups, results
from rankq_jax.analysis.results import Run
from rankq_jax.errors import InputError
from rankq_jax.tasks import Measure

# Configuration fields that all arms of a task have in common.
SHARED = ("dataset", "dataset_steps", "dataset_seed", "seed", "seeds", "evaluation_episodes")


class Arm(NamedTuple):
    """A finished run in a comparison.

    Attributes:
      label: its name, unlike that of the other arms of the task.
      run: what its folder holds.
      summary: the run's summary.
    """

    label: str
    run: Run
    summary: dict[str, Any]

    def per_seed(self, field: str) -> np.ndarray | None:
        """`[S]`, a result of each seed, or None if the run has none."""
        values = self.summary.get(field)
        return None if not values or None in values else np.asarray(values, np.float64)

    @property
    def measure(self) -> Measure:
        """What it is judged by."""
        return groups.task_of(self.run).measures[0]

    def score(self, end: str) -> np.ndarray | None:
        """`[S]`, its `offline` or `final` score of each seed, or None if the run has none."""
        return evaluations.end(self.run, self.measure, end)

    @property
    def has_offline_phase(self) -> bool:
        """Whether it was evaluated after offline updates."""
        return self.score("offline") is not None

    @property
    def has_online_phase(self) -> bool:
        """Whether it stepped its environments."""
        return bool(self.summary["env_steps"] > 0)

    @property
    def budget(self) -> dict[str, Any]:
        """What the arms of a task have in common; a phase that this arm leaves out is left out here too."""
        fields = [*SHARED]
        fields += ["offline.updates"] if self.has_offline_phase else []
        fields += ["online.env_steps"] if self.has_online_phase else []
        return {field: self.run.setting(field) for field in fields}


def finished(folder: Path) -> Run:
    """Reads a finished run.

    Raises:
      InputError: if the run has not finished, or a file is missing or unreadable.
    """
    run = results.read(folder)
    if run.summary is None:
        raise InputError(f"{folder}: has not finished; run it to its end first.")
    return run


def _whole(runs: Sequence[Run]) -> list[Run]:
    """Finished runs, of which those that differ in their seeds alone are one.

    Seeds are joined where together they are consecutive and none is there twice. Seconds are added up.
    """
    alike: dict[str, list[Run]] = {}
    for run in runs:
        summary = run.summary or {}
        key = [
            groups.settings_of(run),
            *(summary.get(field) for field in ("dataset", "updates", "env_steps")),
        ]
        alike.setdefault(json.dumps(key, sort_keys=True), []).append(run)
    whole = []
    for parts in alike.values():
        parts = sorted(parts, key=lambda run: run.summary["seeds"][:1] if run.summary else [])
        seeds = [seed for run in parts for seed in (run.summary or {})["seeds"]]
        if len(parts) == 1 or not seeds or seeds != list(range(seeds[0], seeds[0] + len(seeds))):
            whole += parts
            continue
        own = [run.summary for run in parts if run.summary]
        joined = {field: [x for one in own for x in one[field]] for field in results.per_seed(own[0])}
        seconds = {name: sum(one["wall_seconds"][name] for one in own) for name in ("update", "total")}
        whole.append(
            parts[0]._replace(
                config={**parts[0].config, "seed": seeds[0], "seeds": len(seeds)},
                summary={**own[0], "seeds": seeds, "wall_seconds": seconds, **joined},
            )
        )
    order = {run.folder: i for i, run in enumerate(runs)}
    return sorted(whole, key=lambda run: order[run.folder])


def _arms(runs: Sequence[Run]) -> list[Arm]:
    """Runs of one name get their folder beside it."""
    counts = Counter(run.name for run in runs)
    return [
        Arm(run.name if counts[run.name] == 1 else f"{run.name} ({run.folder})", run, run.summary or {})
        for run in runs
    ]


def by_task(runs: Sequence[Run]) -> dict[str, list[Arm]]:
    """The arms of each task, both in the order of `runs`; runs of some seeds each of one arm are joined.

    Raises:
      InputError: if a folder is there twice, or two runs of a task have different budgets; names the
        folder and the field.
    """
    folders = [run.folder.resolve() for run in runs]
    for i, folder in enumerate(folders):
        if folder in folders[:i]:
            raise InputError(f"{runs[i].folder}: is given twice; leave one out.")
    tasks: dict[str, list[Run]] = {}
    for run in runs:
        tasks.setdefault(run.setting("task"), []).append(run)
    sections = {task: _arms(_whole(members)) for task, members in tasks.items()}
    for arms in sections.values():
        first: dict[str, tuple[Any, Path]] = {}
        for arm in arms:
            for field, value in arm.budget.items():
                theirs, folder = first.setdefault(field, (value, arm.run.folder))
                if value != theirs:
                    raise InputError(
                        f"{arm.run.folder}: field {field!r} is {value!r}, and {theirs!r} in {folder}; "
                        "the runs of a table have one budget."
                    )
    return sections
