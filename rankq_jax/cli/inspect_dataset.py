"""Checks a dataset against every rule, and prints and draws what is in it.

python -m experiments.inspect_dataset --task=TASK --dataset=NAME [--out=DIR] [--picture=FILE.png]

The exit status is 2 if a rule is broken that would stop a training run.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import flags

from rankq_jax import tasks
from rankq_jax.analysis import datasets as measures
from rankq_jax.analysis import page, pictures
from rankq_jax.cli import command, inspection
from rankq_jax.cli.inspection import Judged
from rankq_jax.data.readings import READINGS
from rankq_jax.data.rules import Labelled
from rankq_jax.errors import InputError, suggestion
from rankq_jax.tasks import Task, training_data
from rankq_jax.types import Episodes

TASK = flags.DEFINE_string("task", None, "Name of the task.")
DATASET = flags.DEFINE_string("dataset", None, "Names or paths of its sources, comma-separated.")
READING = flags.DEFINE_string("reading", "task", f"How it is labelled: {', '.join(READINGS)}.")
SCALE = flags.DEFINE_float("reward_scale", None, "Factor of the raw reward; the task's if unset.")
BIAS = flags.DEFINE_float("reward_bias", None, "Added to the scaled reward; the task's if unset.")
DISCOUNT = flags.DEFINE_float("discount", 0.99, "Per environment step.")
OUT = flags.DEFINE_string("out", None, "Folder that index.html is written to.")
PICTURE = flags.DEFINE_string("picture", None, "PNG file: the coverage of a maze, else the distributions.")
REFERENCE = flags.DEFINE_string("reference", None, "Dataset whose state-action pairs are the whole (SACo).")
BINS = flags.DEFINE_integer("bins", 10, "Per dimension, by which state-action pairs are told apart.")
MINIMAL = flags.DEFINE_float("minimal_return", None, "Of a minimal policy (TQ); 0 in a sparse task.")
BEST = flags.DEFINE_float("best_return", None, "Of the best policy (TQ); 1 in a sparse task.")
RANDOM = flags.DEFINE_integer("random_episodes", 0, "Episodes of uniformly random actions.")
SEED = flags.DEFINE_integer("seed", 0, "Of the random episodes.")


def _check_flags() -> None:
    for flag, least in ((BINS, 1), (RANDOM, 0), (SEED, 0)):
        if flag.value < least:
            raise InputError(f"--{flag.name}={flag.value} must be at least {least}.")
    if not 0.0 < DISCOUNT.value < 1.0:
        raise InputError(f"--discount={DISCOUNT.value} must be in (0, 1).")
    for number in (SCALE, BIAS):
        if number.value is not None and not np.isfinite(number.value):
            raise InputError(f"--{number.name}={number.value} must be a finite number.")
    if READING.value not in READINGS:
        raise InputError(f"unknown --reading={READING.value}.{suggestion(READING.value, READINGS)}")
    if PICTURE.value is not None and not PICTURE.value.endswith(".png"):
        raise InputError(f"--picture={PICTURE.value}: give a file name that ends in .png.")


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


def _reference(task: Task) -> Episodes | None:
    if not REFERENCE.value:
        return None
    sources = list(training_data.recordings(task, REFERENCE.value))
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


def _draw(task: Task, recorded: Episodes, data: Labelled) -> list[tuple[str, str]]:
    """Writes `--picture`; returns the pictures of the page."""
    coverage, distributions = _coverage(task, recorded), _distributions(recorded, data)
    if PICTURE.value is not None:
        inspection.write(Path(PICTURE.value), coverage or distributions)
    shown = [("Coverage", page.picture(coverage, "Visited positions in the maze"))] if coverage else []
    text = "Histograms of lengths, return-to-go and actions"
    return [*shown, ("Distributions", page.picture(distributions, text))]


def main(arguments: list[str]) -> None:
    """Entry point."""
    command.no_more(arguments)
    _check_flags()
    task = tasks.find(TASK.value or "")
    dataset = DATASET.value or ""
    transform = task.transform._replace(
        scale=task.transform.scale if SCALE.value is None else SCALE.value,
        bias=task.transform.bias if BIAS.value is None else BIAS.value,
    )
    sources = list(training_data.recordings(task, dataset))
    reference = _reference(task)
    judged = inspection.judge_recordings(sources)
    data = None
    if not inspection.unreadable(judged):
        data = inspection.labelled(task, sources, READING.value, transform, DISCOUNT.value)
        judged += inspection.judge_labels(dataset, data)
    found = inspection.random_policy(task, RANDOM.value, SEED.value) if RANDOM.value else inspection.NOT_RUN
    judged += inspection.judge_policies(task, found)
    head, *rows = _table(judged, with_source=len(sources) > 1)
    _print([head, *rows])
    messages = [f"{_verdict(one)}: {one.message}" for one in judged if one.message]
    print("\n".join([*messages, "A broken rule stops a training run, an unusual number does not.", ""]))
    sections = [("Rules", page.table(head, rows) + "".join(page.note(message) for message in messages))]
    if data is not None:
        recorded = inspection.together(sources)
        how = inspection.Numbers(BINS.value, reference, MINIMAL.value, BEST.value)
        numbers = inspection.numbers(task, recorded, data, how)
        _print(numbers)
        sections.append(("Numbers", page.table(("", "value"), numbers)))
        if len(data.prepared.reward):
            sections += _draw(task, recorded, data)
    if OUT.value is not None:
        text = page.page(f"{dataset} for {task.name}", sections)
        inspection.write(Path(OUT.value) / "index.html", text.encode())
    fatal = [one.message for one in judged if one.message and one.rule.fatal]
    if fatal:
        raise InputError(fatal[0])


def start() -> None:
    """Runs the command on the arguments of the process."""
    flags.mark_flag_as_required("task")
    flags.mark_flag_as_required("dataset")
    command.run(main)


if __name__ == "__main__":
    start()
