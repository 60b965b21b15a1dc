"""What checkpoints cost a run on an ant maze with a full replay buffer of a million rows.

python -m benchmarks.checkpoints --rows=1000000

The run is the library's own online phase; its checkpoints are written as a run writes them, of as many new
rows as come between two checkpoints of the default schedule. Training stands still for what saving takes
before it returns; the rest is written while it goes on, and costs it at most what that takes when nothing
else runs.
"""

import argparse
import logging
import math
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import report, work
from rankq_jax import configs, loop, tasks
from rankq_jax.checkpoints import Checkpoints
from rankq_jax.timing import Stopwatch
from rankq_jax.training import build

TARGET = 0.02  # of the training time, at most
COLUMNS = ("checkpoint", "new rows", "MB written", "stands still s", "on disk after s", "share of training")


class Training(NamedTuple):
    """A run between two checkpoints.

    Attributes:
      state: its state, with full buffers.
      world: of the run.
      layout: of the run.
      seconds: `[rounds]`, of a round.
      steps: environment steps of a round.
      interval: seconds between two checkpoints of the default schedule.
    """

    state: loop.RunState
    world: loop.Setup
    layout: Any
    seconds: np.ndarray
    steps: int
    interval: float


class Cost(NamedTuple):
    """Of a checkpoint, `[rounds]` each.

    Attributes:
      rows: new ones.
      written: bytes.
      still: seconds until saving returns.
      disk: seconds from then on until everything is on disk.
    """

    rows: int
    written: np.ndarray
    still: np.ndarray
    disk: np.ndarray


def trained(arguments: argparse.Namespace) -> Training:
    """Runs some rounds of the online phase, the first of which compiles."""
    config = configs.arm(arguments.algorithm, arguments.task)
    every = config.online.checkpoint_every * config.online.env_steps_per_iteration  # steps
    config.replay_capacity = config.online.env_steps = arguments.rows
    config.offline.updates, config.evaluation_episodes, config.seeds = 0, 1, arguments.seeds
    config.online.env_steps_per_iteration = config.online.updates_per_dispatch = arguments.steps
    parsed = configs.parse(config)
    built = build.experiment(parsed)
    probe = built.task.environment(1, 1)
    world = build.world(parsed, built, work.dataset(20_000, probe.observation_size, probe.action_size))
    phase = built.plan[-1]._replace(iterations=arguments.rounds + 2, evaluate_every=0, checkpoint_every=0)
    marks: list[float] = []

    state = loop.initial((phase,), world, built.layout)
    full = np.full(arguments.seeds, arguments.rows, np.int32)
    state = state._replace(buffer=state.buffer._replace(inserted=built.layout.split(full)))
    with Stopwatch() as stopwatch:
        for event in loop.events((phase,), world, built.layout, state, stopwatch):
            state = event.state
            if isinstance(event, loop.Updated):
                marks.append(time.perf_counter())
    seconds = np.diff(marks)[1:]
    by_rounds = every / arguments.steps * float(np.median(seconds)) if every else math.inf
    interval = min(60.0 * config.checkpoint_minutes or math.inf, by_rounds)
    return Training(state, world, built.layout, seconds, arguments.steps, interval)


def grown(training: Training, rows: int) -> Training:
    """The same with so many rows more ever added, to the buffer of each seed."""
    buffer = training.state.buffer
    inserted = np.asarray(training.layout.merge(buffer.inserted)) + np.int32(rows)
    buffer = buffer._replace(inserted=training.layout.split(inserted))
    return training._replace(state=training.state._replace(buffer=buffer))


def saved(training: Training, folder: Path, rows: int, rounds: int) -> tuple[Cost, Cost]:
    """The cost of the first checkpoint, of all rows, and of `rounds` later ones with `rows` new rows each."""
    checkpoints = Checkpoints(folder)
    figures = []
    for i in range(rounds + 1):
        now = training if i == 0 else grown(training, rows * i)
        before = _bytes(folder)
        begin = time.perf_counter()
        parts = loop.portable(now.state, now.layout)
        checkpoints.save(parts, {}, loop.replay_snapshot(now.state, now.layout))
        still = time.perf_counter()
        checkpoints.wait()
        end = time.perf_counter()
        figures.append((_bytes(folder) - before, still - begin, end - still))
    checkpoints.close()
    first, later = np.array(figures[:1]), np.array(figures[1:])
    total = int(np.asarray(training.layout.merge(training.state.buffer.inserted)).max())
    return Cost(min(total, training.world.capacity), *first.T), Cost(rows, *later.T)


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("rows-*.npz"))


def line(name: str, cost: Cost, interval: float) -> str:
    """A row of the table."""
    share = (cost.still + cost.disk) / interval
    return report.row(
        (
            name, f"{cost.rows:,}", f"{np.median(cost.written) / 1e6:,.1f}", report.spread(cost.still, 3),
            report.spread(cost.disk, 3), report.spread(100 * share, 2) + " %",
        )
    )  # fmt: skip


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = report.parser("checkpoints", "The cost of checkpoints, as a Markdown table.", rounds=5)
    parser.add_argument("--algorithm", default="rankq", help="name of a configuration")
    parser.add_argument("--task", default=work.TASK, choices=tuple(tasks.TASKS))
    parser.add_argument("--rows", type=int, default=1_000_000, help="that the buffer of a seed holds")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--steps", type=int, default=50, help="of the environment in a round")
    arguments = report.parsed(parser, argv)
    logging.getLogger("absl").setLevel(logging.ERROR)  # orbax tells that one checkpoint waits for another
    training = trained(arguments)
    rate = training.steps / np.median(training.seconds)
    rows = max(1, round(rate * training.interval))
    print(report.heading(arguments))
    print(
        f"{arguments.algorithm} on {arguments.task}, {arguments.seeds} seed(s), buffer of "
        f"{arguments.rows:,} rows; {rate:.0f} environment steps and updates per second of each seed, so that "
        f"a checkpoint of the default schedule comes every {training.interval:.0f} s.\n"
    )
    folder = Path(tempfile.mkdtemp(prefix="rankq_jax-"))
    try:
        first, later = saved(training, folder, rows, arguments.rounds)
    finally:
        shutil.rmtree(folder)
    print(report.header(COLUMNS))
    print(line("the first, of all rows", first, training.interval))
    print(line("every later one", later, training.interval))
    share = float(np.median(later.still + later.disk)) / training.interval
    print(
        f"\nShare of the training time, at most {100 * TARGET:.0f} %: {report.against(share, TARGET, True)}."
    )
    results = {"interval": training.interval, "rate": rate, "share": share}
    results |= {"first": first._asdict(), "later": later._asdict()}
    report.write("checkpoints", arguments, results)


if __name__ == "__main__":
    main()
