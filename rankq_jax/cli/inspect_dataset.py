"""Checks a dataset against every rule, and prints and draws what is in it.

rankq dataset inspect --task=TASK --dataset=NAME [--out=DIR] [--picture=FILE.png]

The exit status is 2 if a rule is broken that would stop a training run.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rankq_jax import tasks
from rankq_jax.analysis import datasets as measures
from rankq_jax.analysis import page, pictures
from rankq_jax.cli import inspection
from rankq_jax.cli.inspection import Judged
from rankq_jax.data.episodes import lengths
from rankq_jax.data.readings import READINGS
from rankq_jax.data.rules import Labeled
from rankq_jax.errors import InputError, suggestion
from rankq_jax.tasks import Task, training_data
from rankq_jax.types import Episodes

EPISODES = 8  # of which images are drawn


def _check(values: argparse.Namespace) -> None:
    if values.reading not in READINGS:
        raise InputError(f"--reading={values.reading}: unknown.{suggestion(values.reading, READINGS)}")
    if values.picture is not None and values.picture.suffix != ".png":
        raise InputError(f"--picture={values.picture}: give a file name that ends in .png.")


def _table(judged: Sequence[Judged], with_source: bool) -> list[list[str]]:
    rows = [["verdict", "rule", "measured", "source", "what holds"]]
    rows += [[it.verdict, it.rule.name, it.finding.measured, it.source, it.rule.demand] for it in judged]
    return [row if with_source else row[:3] + row[4:] for row in rows]


def _print(rows: Sequence[Sequence[str]]) -> None:
    """Columns side by side; the last one may be of any width."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    for row in rows:
        print("  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[-1]]).rstrip())
    print()


def _images(task: Task, episodes: Episodes) -> bytes | None:
    """A sheet of some episodes' first, middle and last images; None where observations have no image."""
    strips = measures.strips(episodes, EPISODES)
    if not strips:
        return None
    steps, solved = lengths(episodes), measures.successes(episodes)[list(strips)].tolist()
    # A white edge parts the images.
    edges = ((0, 0), (0, 0), (0, 2), (0, 0))
    wide = [np.concatenate(np.pad(strip, edges, constant_values=255), axis=1) for strip in strips.values()]
    judges = task.success is not None or task.tells_success
    words = [", success" if each else ", failure" for each in solved] if judges else [""] * len(wide)
    titles = [f"episode {i}, {steps[i]} steps{word}" for i, word in zip(strips, words, strict=True)]
    return pictures.sheet(dict(zip(titles, wide, strict=True)), 2, solved if judges else ())


def _reference(task: Task, values: argparse.Namespace) -> Episodes | None:
    if not values.reference:
        return None
    read = training_data.recordings(task, values.reference, values.keys, values.clip_actions)
    sources = list(read)
    if message := inspection.unreadable(inspection.judge_recordings(sources)):
        raise InputError(message)
    return inspection.together(sources)


def _draw(task: Task, recorded: Episodes, data: Labeled, picture: Path | None) -> list[tuple[str, str]]:
    """Writes one picture, if a file is given; returns the pictures of the page."""
    drawn = []
    if task.scene is not None:
        coverage = pictures.coverage(task.scene, recorded.observation[:, :2])
        drawn.append(("Coverage", coverage, "Visited positions in the maze"))
    if (images := _images(task, data.episodes)) is not None:
        drawn.append(("Images", images, "First, middle and last image of some episodes"))
    steps = {"recorded": lengths(recorded), "labeled": lengths(data.episodes)}
    returns, success = data.prepared.extras["mc_return"], data.prepared.extras["success"] > 0
    distributions = pictures.distributions(steps, returns, success, recorded.action)
    drawn.append(("Distributions", distributions, "Histograms of lengths, return-to-go and actions"))
    if picture is not None:
        inspection.write(picture, drawn[0][1])
    return [(head, page.picture(content, text)) for head, content, text in drawn]


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
    sources = list(training_data.recordings(task, dataset, values.keys, values.clip_actions))
    reference = _reference(task, values)
    judged = inspection.judge_recordings(sources)
    data = None
    if not inspection.unreadable(judged):
        data = inspection.label_sources(task, sources, values.reading, transform, values.discount)
        judged += inspection.judge_labels(dataset, data)
    count = values.random_episodes
    found = inspection.random_policy(task, count, values.seed) if count else inspection.NOT_RUN
    judged += inspection.judge_policies(task, found)
    head, *rows = _table(judged, with_source=len(sources) > 1)
    _print([head, *rows])
    messages = [f"{one.verdict}: {one.message}" for one in judged if one.message]
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
