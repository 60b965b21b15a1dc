"""Which runs of a sweep are one arm, what tells its arms apart, and which of them all tasks have."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from rankq_jax.analysis.arms import Arm, Member, alike, settings_of
from rankq_jax.analysis.results import Run
from rankq_jax.writers import flattened

NAMED = 3  # fields in a label at most


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


def grouped(members: Iterable[Member]) -> tuple[dict[str, list[Arm]], list[tuple[Run, str]]]:
    """Arms by task: runs of one name, task and configuration, apart from seeds and what changes no result.

    Runs of one name and task that differ elsewhere are different arms and named by the fields; where they
    differ on one task, the arms of that name carry the fields on every task.

    Returns:
      `{task: arms}` in the order of the members, and the runs that are in none, because their seeds are
      there already, each with the reason. A finished run goes before an unfinished one.
    """
    named: dict[str, dict[str, list[Member]]] = {}
    order: dict[str, dict[str, list[Arm]]] = {}
    for m in members:
        task = m.run.setting("task")
        named.setdefault(m.run.name, {}).setdefault(task, []).append(m)
        order.setdefault(task, {}).setdefault(m.run.name, [])
    left_out = []
    for name, by_task in named.items():
        fields = list(dict.fromkeys(f for own in by_task.values() for f in _varied([m.run for m in own])))
        for task, own in by_task.items():
            arms = []
            for same in alike(own):
                kept, reasons = _distinct(same)
                left_out += reasons
                arms.append(Arm(_label(kept[0].run, fields), kept))
            labels = [arm.label for arm in arms]
            order[task][name] = [  # labels that leave out too much get the folder of the first run
                arm._replace(label=f"{arm.label} [{arm.run.folder.name}]")
                if labels.count(arm.label) > 1
                else arm
                for arm in arms
            ]
    return {task: [arm for arms in names.values() for arm in arms] for task, names in order.items()}, left_out


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


def across(sections: Mapping[str, Sequence[Arm]]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Final scores of the arms that are on every task with equally many finished seeds.

    Returns:
      `{label: [seeds, tasks]}`, and why arms, or all of them, are missing there.
    """
    if len(sections) < 2:
        return {}, [f"All runs are of one task, {''.join(sections)}."]
    returns = [task for task, arms in sections.items() if any(arm.score.name == "return" for arm in arms)]
    scores = {arm.score.words: arm for arms in sections.values() for arm in arms}
    judged = f"{', '.join(returns)}: judged by returns" if returns else f"Judged by {' and '.join(scores)}"
    if returns or len(scores) > 1:
        return {}, [f"{judged}, which have no unit in common with other tasks."]
    tables, reasons = {}, []
    for label in dict.fromkeys(arm.label for arms in sections.values() for arm in arms):
        own = {task: arm for task, arms in sections.items() for arm in arms if arm.label == label}
        missing = [task for task in sections if task not in own]
        done = {task: arm.done for task, arm in own.items()}
        known = [values for arm in own.values() if (values := arm.result("final")) is not None]
        if missing:
            reasons.append(f"{label}: has no run on {', '.join(missing)}.")
        elif len(set(done.values())) > 1 or 0 in done.values():
            counts = ", ".join(f"{count} on {task}" for task, count in done.items())
            reasons.append(f"{label}: its numbers of finished seeds differ: {counts}.")
        elif len(known) < len(own):
            reasons.append(f"{label}: a run has no final score.")
        else:
            tables[label] = np.stack(known, axis=1)
    return tables, reasons
