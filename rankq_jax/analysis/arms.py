"""Runs as the arms of a table or a page: one configuration, its seeds in one or several workdirs."""

import json
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from rankq_jax.analysis import evaluations, results
from rankq_jax.analysis.evaluations import Curve
from rankq_jax.analysis.results import Run
from rankq_jax.tasks import Measure
from rankq_jax.writers import flattened

SEEDS = ("seed", "seeds")  # configuration fields that tell runs of one arm apart
# What the arms of a task have in common, apart from their seeds.
BUDGET = ("dataset", "dataset_steps", "dataset_seed", "evaluation_episodes")
# What is read of every configuration.
READ = (
    "algorithm", "online.algorithm", "task", "dataset", *SEEDS, "dataset_steps", "evaluation_episodes",
    "offline.updates", "online.env_steps",
)  # fmt: skip


class Member(NamedTuple):
    """A run with everything that is shown of its evaluations.

    Attributes:
      run: what its folder holds, of the evaluations only the last record: many runs are read.
      seeds: those that it was started with.
      measures: what its episodes are measured by; the first is the score.
      curves: `{name: curve}` of each measure; no point where nothing was evaluated yet.
    """

    run: Run
    seeds: tuple[int, ...]
    measures: tuple[Measure, ...]
    curves: dict[str, Curve]

    def result(self, measure: Measure, end: str) -> np.ndarray | None:
        """`[S]`, the means of a measure over the last evaluation of each seed of a finished run.

        They are in the order of the seeds, and from the summary or, if it is older than the measure, from the
        evaluations. The `initial` end is before all updates, the `offline` one after the last offline update,
        the `final` one after the last of the run. None: a seed was not evaluated there, or the run has not
        finished.
        """
        if self.run.summary is None or measure not in self.measures:
            return None
        values = self.run.summary.get(f"{end}_{measure.mean}")
        if values is None:
            values = evaluations.at_end(self.curves[measure.name], self.seeds, end)
        return None if not values or None in values else np.asarray(values, np.float64)


def member(run: Run) -> Member:
    """Everything that is shown of a run, so that what is damaged is noticed here.

    Raises:
      InputError: if a file of the run is damaged or of an unknown task; names it.
    """
    for field in READ:
        run.setting(field)
    _ = run.name
    measures, path = run.task.measures, run.folder / "evaluations.jsonl"
    unfinished = run.setting("offline.updates") if run.summary is None else None
    first, count = (run.setting(field) for field in SEEDS)
    return Member(
        run=run._replace(evaluations=run.evaluations[-1:]),
        seeds=tuple(run.summary["seeds"] if run.summary else range(first, first + count)),
        measures=measures,
        curves=evaluations.curves(run.evaluations, [m.name for m in measures], path, unfinished),
    )


class Arm(NamedTuple):
    """The runs of one configuration on one task.

    Attributes:
      label: unlike that of the other arms of the task.
      members: the runs of its seeds.
    """

    label: str
    members: list[Member]

    @property
    def run(self) -> Run:
        """The first run, which differs from the others in its seeds only."""
        return self.members[0].run

    @property
    def measures(self) -> tuple[Measure, ...]:
        """What the episodes are measured by; the first is the score, which the arm is judged by."""
        return self.members[0].measures

    @property
    def score(self) -> Measure:
        """What the arm is judged by."""
        return self.measures[0]

    @property
    def finished(self) -> list[Member]:
        """The runs that have finished."""
        return [m for m in self.members if m.run.summary is not None]

    @property
    def planned(self) -> int:
        """Seeds of all runs."""
        return sum(len(m.seeds) for m in self.members)

    @property
    def done(self) -> int:
        """Seeds of the runs that have finished."""
        return sum(len(m.seeds) for m in self.finished)

    def total(self, field: str) -> float:
        """Sum of one of the `wall_seconds` over the finished runs."""
        return sum(m.run.summary["wall_seconds"][field] for m in self.finished if m.run.summary)

    @property
    def updates_per_second(self) -> float:
        """Updates of one process per second, compilation aside, summed over its seeds."""
        made = sum(m.run.summary["updates"] * len(m.seeds) for m in self.finished if m.run.summary)
        seconds = self.total("update")
        return made / seconds if seconds else float("nan")

    def result(self, end: str, measure: Measure | None = None) -> np.ndarray | None:
        """`[done]`, the means at one of the `ENDS`, by default of the score; None if a run has none."""
        values = [m.result(measure or self.score, end) for m in self.finished]
        known = [one for one in values if one is not None]
        return np.concatenate(known) if known and len(known) == len(values) else None

    def curve(self, name: str) -> Curve:
        """All seeds side by side, NaN where one was not evaluated; unfinished runs too."""
        own = [m.curves[name] for m in self.members if m.curves[name].value.size]
        positions = np.array(sorted({int(p) for one in own for p in one.position}))
        columns = []
        for one in own:
            column = np.full((len(positions), one.value.shape[1]), np.nan)
            column[np.searchsorted(positions, one.position)] = one.value
            columns.append(column)
        values = np.concatenate(columns, axis=1) if columns else np.empty((0, 0))
        return Curve(positions, values, any(one.untrained for one in own))


def collected(run: Run) -> int:
    """Environment steps of a seed before all updates; 0 in runs that are older than the phase."""
    return int(run.setting("collect.env_steps", 0))


def ends_of(arms: Iterable[Arm]) -> list[str]:
    """The `ENDS` that are shown of arms: the initial one only where one of them has it."""
    first = any(collected(arm.run) for arm in arms)
    return [end for end in results.ENDS if first or end != "initial"]


_WHEN = {
    "initial": "initial before all updates",
    "offline": "offline after the last offline update",
    "final": "final after the last update of the run, not the best",
}


def text_of(ends: Iterable[str]) -> str:
    """When the evaluations of `ENDS` were made, in words."""
    return ", ".join(_WHEN[end] for end in ends)


def settings_of(run: Run) -> dict[str, str]:
    """Every field that an arm is known by, as text."""
    own = {
        field: value for field, value in flattened(run.config).items() if field not in (*SEEDS, *results.FREE)
    }
    return {field: json.dumps(value, sort_keys=True) for field, value in own.items()}


def alike(members: Iterable[Member], *more: str) -> list[list[Member]]:
    """Members of one configuration together, apart from seeds and what changes no result.

    Args:
      members: in the order of the groups.
      more: fields of the summary that they must have in common, too.
    """
    found: dict[str, list[Member]] = {}
    for m in members:
        summary = m.run.summary or {}
        key = json.dumps([settings_of(m.run), *map(summary.get, more)], sort_keys=True)
        found.setdefault(key, []).append(m)
    return list(found.values())
