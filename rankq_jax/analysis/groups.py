"""Runs as the arms of a sweep: one configuration, its seeds possibly spread over several workdirs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from rankq_jax import tasks
from rankq_jax.analysis import evaluations, results
from rankq_jax.analysis.evaluations import Curve
from rankq_jax.analysis.results import Run
from rankq_jax.errors import InputError
from rankq_jax.writers import flattened

SEEDS = ("seed", "seeds")  # configuration fields that tell runs of one arm apart
# What is read of every configuration.
READ = (
    "algorithm", "online.algorithm", "task", "dataset", *SEEDS, "dataset_steps", "evaluation_episodes",
    "offline.updates", "online.env_steps",
)  # fmt: skip
NAMED = 3  # fields in a label at most


class Member(NamedTuple):
    """A run with everything that is shown of it.

    Attributes:
      run: what its folder holds, of the evaluations the last record alone: many runs are read.
      seeds: that it was started with.
      score: `success`, or `return` where the task knows no success.
      curves: `{field: curve}` of the score and of `length`; no point where nothing was evaluated yet.
      results: `{"offline" | "final" | "length": [S]}` of a finished run; what it lacks is left out.
    """

    run: Run
    seeds: tuple[int, ...]
    score: str
    curves: dict[str, Curve]
    results: dict[str, np.ndarray]


def task_of(run: Run) -> tasks.Task:
    """The task that a run was trained on.

    Raises:
      InputError: if there is no such task; names the file of the run.
    """
    try:
        return tasks.find(run.setting("task"))
    except InputError as error:
        raise InputError(f"{run.folder / 'config.json'}: {error}") from error


def member(run: Run) -> Member:
    """Everything that is shown of a run, so that what is damaged is noticed here.

    Raises:
      InputError: if a file of the run is damaged or of an unknown task; names it.
    """
    for field in READ:
        run.setting(field)
    _ = run.name
    score = task_of(run).measures[0].field
    first, count = (run.setting(field) for field in SEEDS)
    found: dict[str, np.ndarray | None] = {}
    if run.summary is not None:
        ends = {"length": "final_episode_length"}
        if score == "success":
            ends |= {"offline": "offline_success_rate", "final": "final_success_rate"}
        else:
            found |= {
                "offline": evaluations.last(run, score, "offline"),
                "final": evaluations.last(run, score),
            }
        found |= {end: _complete(run.summary[field]) for end, field in ends.items()}
    return Member(
        run=run._replace(evaluations=run.evaluations[-1:]),
        seeds=tuple(run.summary["seeds"] if run.summary else range(first, first + count)),
        score=score,
        curves={field: evaluations.curve(run, field) for field in (score, "length")},
        results={end: values for end, values in found.items() if values is not None},
    )


def _complete(values: list[float | None]) -> np.ndarray | None:
    return None if not values or None in values else np.asarray(values, np.float64)


class Group(NamedTuple):
    """An arm on one task.

    Attributes:
      label: unlike that of the other arms of the task.
      members: the runs of its seeds.
    """

    label: str
    members: list[Member]

    @property
    def score(self) -> str:
        """What the arm is judged by, `success` or `return`."""
        return self.members[0].score

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

    def result(self, end: str) -> np.ndarray | None:
        """`[done]`, the `offline` or `final` score or the final `length`; None if a run has none."""
        values = [m.results[end] for m in self.finished if end in m.results]
        return np.concatenate(values) if values and len(values) == len(self.finished) else None

    def curve(self, field: str) -> Curve:
        """All seeds side by side, NaN where one was not evaluated; unfinished runs too."""
        own = [m.curves[field] for m in self.members if m.curves[field].value.size]
        positions = np.array(sorted({int(p) for one in own for p in one.position}))
        columns = []
        for one in own:
            column = np.full((len(positions), one.value.shape[1]), np.nan)
            column[np.searchsorted(positions, one.position)] = one.value
            columns.append(column)
        return Curve(positions, np.concatenate(columns, axis=1) if columns else np.empty((0, 0)))


def settings_of(run: Run) -> dict[str, str]:
    """Every field that an arm is known by, as text."""
    own = {
        field: value for field, value in flattened(run.config).items() if field not in (*SEEDS, *results.FREE)
    }
    return {field: json.dumps(value, sort_keys=True) for field, value in own.items()}


def _varied(runs: Sequence[Run]) -> list[str]:
    """Fields whose values differ, in the order of the configuration."""
    settings = [settings_of(run) for run in runs]
    fields = dict.fromkeys(field for one in settings for field in one)
    return [field for field in fields if len({one.get(field) for one in settings}) > 1]


def _label(run: Run, fields: Sequence[str]) -> str:
    """The name of the run and its values of the fields; those of its own algorithm go without its name."""
    settings, own = flattened(run.config), f"{run.setting('algorithm')}."
    shown = [f"{field.removeprefix(own)}={settings.get(field, '-')}" for field in fields[:NAMED]]
    shown += [f"{len(fields) - NAMED} more"] if len(fields) > NAMED else []
    return f"{run.name} ({', '.join(shown)})" if shown else run.name


def grouped(members: Iterable[Member]) -> tuple[dict[str, list[Group]], list[tuple[Run, str]]]:
    """Arms by task: runs of one name, task and configuration, apart from seeds and what changes no result.

    Runs of one name and task that differ elsewhere are different arms and named by the fields; where they
    differ on one task, the arms of that name carry the fields on every task.

    Returns:
      `{task: arms}` in the order of the members, and the runs that are in none, because their seeds are
      there already, each with the reason. A finished run goes before an unfinished one.
    """
    named: dict[str, dict[str, list[Member]]] = {}
    order: dict[str, dict[str, list[Group]]] = {}
    for m in members:
        named.setdefault(m.run.name, {}).setdefault(m.run.setting("task"), []).append(m)
        order.setdefault(m.run.setting("task"), {}).setdefault(m.run.name, [])
    left_out = []
    for name, by_task in named.items():
        varied = [field for own in by_task.values() for field in _varied([m.run for m in own])]
        fields = list(dict.fromkeys(varied))
        for task, own in by_task.items():
            alike: dict[str, list[Member]] = {}
            for m in own:
                alike.setdefault(json.dumps(settings_of(m.run), sort_keys=True), []).append(m)
            for same in alike.values():
                kept, reasons = _distinct(same)
                left_out += reasons
                order[task][name].append(Group(_label(kept[0].run, fields), kept))
            order[task][name] = _told_apart(order[task][name])
    return {task: [g for groups in names.values() for g in groups] for task, names in order.items()}, left_out


def _distinct(members: Sequence[Member]) -> tuple[list[Member], list[tuple[Run, str]]]:
    """The members without those that repeat a seed."""
    kept: list[Member] = []
    left_out = []
    for m in sorted(members, key=lambda m: m.run.summary is None):
        repeated = [(seed, k.run.folder) for k in kept for seed in k.seeds if seed in m.seeds]
        if repeated:
            left_out.append((m.run, f"seed {repeated[0][0]} of the same arm is in {repeated[0][1]} already"))
        else:
            kept.append(m)
    return kept, left_out


def _told_apart(groups: Sequence[Group]) -> list[Group]:
    """Labels that leave out too much get the folder of the first run."""
    labels = [group.label for group in groups]
    return [
        group._replace(label=f"{group.label} [{group.members[0].run.folder.name}]")
        if labels.count(group.label) > 1
        else group
        for group in groups
    ]


def across(sections: Mapping[str, Sequence[Group]]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Final scores of the arms that are on every task with equally many finished seeds.

    Returns:
      `{label: [seeds, tasks]}`, and why arms, or all of them, are missing there.
    """
    if len(sections) < 2:
        return {}, [f"All runs are of one task, {''.join(sections)}."]
    returns = [task for task, groups in sections.items() if any(g.score == "return" for g in groups)]
    if returns:
        return {}, [
            f"{', '.join(returns)}: judged by returns, which have no unit in common with other tasks."
        ]
    tables, reasons = {}, []
    for label in dict.fromkeys(group.label for groups in sections.values() for group in groups):
        own = {task: group for task, groups in sections.items() for group in groups if group.label == label}
        missing = [task for task in sections if task not in own]
        done = {task: group.done for task, group in own.items()}
        scores = [group.result("final") for group in own.values()]
        if missing:
            reasons.append(f"{label}: has no run on {', '.join(missing)}.")
        elif len(set(done.values())) > 1 or 0 in done.values():
            counts = ", ".join(f"{count} on {task}" for task, count in done.items())
            reasons.append(f"{label}: its numbers of finished seeds differ: {counts}.")
        elif any(score is None for score in scores):
            reasons.append(f"{label}: a run has no final score.")
        else:
            tables[label] = np.stack([score for score in scores if score is not None], axis=1)
    return tables, reasons
