"""Checks a dataset against every rule, and prints and draws what is in it.

rankq dataset inspect --task=TASK --dataset=NAME [--out=DIR] [--picture=FILE.png]

The exit status is 2 if a rule is broken that would stop a training run.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rankq_jax import tasks
from rankq_jax.analysis import datasets as measures
from rankq_jax.analysis import page, pictures
from rankq_jax.cli import inspection
from rankq_jax.cli.inspection import Judged
from rankq_jax.data.readings import READINGS
from rankq_jax.data.rules import Labelled
from rankq_jax.errors import InputError, suggestion
from rankq_jax.tasks import Task, training_data
from rankq_jax.types import Episodes


def _check(values: argparse.Namespace) -> None:
    if values.reading not in READINGS:
        raise InputError(f"--reading={values.reading}: unknown.{suggestion(values.reading, READINGS)}")
    if values.picture is not None and values.picture.suffix != ".png":
        raise InputError(f"--picture={values.picture}: give a file name that ends in .png.")


def _verdict(judged: Judged) -> str:
    if judged.finding.ok is None:
        return "-"
    return "ok" if judged.finding.ok else "broken" if judged.rule.fatal else "unusual"


def _table(judged: Sequence[Judged], with_source: bool) -> list[list[str]]:
    head = ["verdict", "rule", "measured", *(["source"] if with_source else []), "what holds"]
    rows = [
        [
            _verdict(one),
            one.rule.name,
            one.finding.measured,
            *([one.source] if with_source else []),
            one.rule.demand,
        ]
        for one in judged
    ]
    return [head, *rows]


def _print(rows: Sequence[Sequence[str]]) -> None:
    """Columns side by side; the last one may be of any width."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    for row in rows:
        print("  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[-1]]).rstrip())
    print()


def _reference(task: Task, name: str | None) -> Episodes | None:
    if not name:
        return None
    sources = list(training_data.recordings(task, name))
    message = inspection.unreadable(inspection.judge_recordings(sources))
    if message:
        raise InputError(message)
    return inspection.together(sources)


def _coverage(task: Task, recorded: Episodes) -> bytes | None:
    return None if task.scene is None else pictures.coverage(task.scene, recorded.observation[:, :2])


def _distributions(recorded: Episodes, data: Labelled) -> bytes:
    lengths = {"recorded": measures.lengths(recorded), "labelled": measures.lengths(data.episodes)}
    extras = data.prepared.extras
    return pictures.distributions(lengths, extras["mc_return"], extras["success"] > 0, recorded.action)


def _draw(task: Task, recorded: Episodes, data: Labelled, picture: Path | None) -> list[tuple[str, str]]:
    """Writes one picture, if a file is given; returns the pictures of the page."""
    coverage, distributions = _coverage(task, recorded), _distributions(recorded, data)
    if picture is not None:
        inspection.write(picture, coverage or distributions)
    shown = [("Coverage", page.picture(coverage, "Visited positions in the maze"))] if coverage else []
    text = "Histograms of lengths, return-to-go and actions"
    return [*shown, ("Distributions", page.picture(distributions, text))]


def main(values: argparse.Namespace) -> None:
    """Inspects the dataset that the values of the flags name."""
    _check(values)
    task = tasks.find(values.task)
    if values.random_episodes and task.recorded:
        raise InputError(f"--random-episodes: the task {values.task!r} has no environment; leave it out.")
    dataset = values.dataset
    transform = task.transform._replace(
        scale=task.transform.scale if values.reward_scale is None else values.reward_scale,
        bias=task.transform.bias if values.reward_bias is None else values.reward_bias,
    )
    sources = list(training_data.recordings(task, dataset))
    reference = _reference(task, values.reference)
    judged = inspection.judge_recordings(sources)
    data = None
    if not inspection.unreadable(judged):
        data = inspection.labelled(task, sources, values.reading, transform, values.discount)
        judged += inspection.judge_labels(dataset, data)
    count = values.random_episodes
    found = inspection.random_policy(task, count, values.seed) if count else inspection.NOT_RUN
    judged += inspection.judge_policies(task, found)
    head, *rows = _table(judged, with_source=len(sources) > 1)
    _print([head, *rows])
    messages = [f"{_verdict(one)}: {one.message}" for one in judged if one.message]
    print("\n".join([*messages, "A broken rule stops a training run, an unusual number does not.", ""]))
    sections = [("Rules", page.table(head, rows) + "".join(page.note(message) for message in messages))]
    if data is not None:
        recorded = inspection.together(sources)
        how = inspection.Numbers(values.bins, reference, values.minimal_return, values.best_return)
        numbers = inspection.numbers(task, recorded, data, how)
        _print(numbers)
        sections.append(("Numbers", page.table(("", "value"), numbers)))
        if len(data.prepared.reward):
            sections += _draw(task, recorded, data, values.picture)
    if values.out is not None:
        text = page.page(f"{dataset} for {task.name}", sections)
        inspection.write(values.out / "index.html", text.encode())
    fatal = [one.message for one in judged if one.message and one.rule.fatal]
    if fatal:
        raise InputError(fatal[0])
