"""The tabletop: control steps and images per second of one core, and bytes of demonstrations.

python -m benchmarks.vla --rows=8 --episodes=16

Seconds are those of the processor, of all threads together, so that what runs beside does not count.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks import report
from rankq_jax.envs.streams import streams
from rankq_jax.envs.tabletop.env import Tables
from rankq_jax.envs.tabletop.expert import Expert
from rankq_jax.envs.tabletop.options import SIZES, Options
from rankq_jax.envs.tabletop.scene import SETTINGS
from rankq_jax.tasks.tabletop import collect

COLUMNS = ("task", "control steps/s", "episodes/s", *(f"images/s {h}x{w}" for h, w in SIZES), "KiB/episode")
CONTROL_STEPS = 100  # of an episode


class Figures(NamedTuple):
    """One line of the table.

    Attributes:
      name: of the task.
      steps: `[rounds]` control steps per second of one core while the expert is at work, without images.
      images: `[sizes, rounds]` images per second of one core.
      bytes: of the observations and actions of a demonstration in memory, with images of the smaller size.
    """

    name: str
    steps: np.ndarray
    images: np.ndarray
    bytes: float


def seconds(work: Callable[[], Any]) -> float:
    """Of the processor, in all threads."""
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(name: str, rows: int, episodes: int, rounds: int) -> Figures:
    """Measures a task; episodes of the expert have the length of all episodes."""
    everyone, number = np.arange(rows), np.zeros(rows, np.int64)

    def started(image: tuple[int, int] | None) -> Tables:
        tables = Tables(Options(setting=name, image=image), rows, 1)
        tables.world.begin(everyone, streams(0, rows), number)
        return tables

    def episode() -> None:
        tables = started(None)
        expert = Expert(tables.world)
        for _ in range(CONTROL_STEPS):
            tables.world.control(expert.act(), None)

    steps = [rows * CONTROL_STEPS / seconds(episode) for _ in range(rounds)]
    images = []
    for size in SIZES:
        tables = started(size)
        tables.observe(everyone)
        images.append([rows / seconds(lambda t=tables: t.observe(everyone)) for _ in range(rounds)])  # type: ignore[misc]
    shown = collect(Options(setting=name), episodes, seed=0, threads=1)
    size = sum(leaf.nbytes for leaf in jax.tree.leaves((shown.observation, shown.action)))
    return Figures(name, np.array(steps), np.array(images), size / episodes)


def line(figures: Figures) -> str:
    """A row of the table: medians."""
    cells = [f"{np.median(figures.steps):,.0f}", f"{np.median(figures.steps) / CONTROL_STEPS:.1f}"]
    cells += [f"{np.median(images):,.0f}" for images in figures.images]
    return report.row([figures.name, *cells, f"{figures.bytes / 1024:,.0f}"])


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = report.parser("vla", "The tabletop's speed on one core, as a Markdown table.", rounds=5)
    parser.add_argument("--rows", type=int, default=8, help="tables at once")
    parser.add_argument("--episodes", type=int, default=16, help="demonstrations whose bytes are counted")
    arguments = report.parsed(parser, argv)
    print(report.heading(arguments))
    print("Per second of one core.\n")
    print(report.header(COLUMNS))
    results = []
    for name in SETTINGS:
        figures = measure(name, arguments.rows, arguments.episodes, arguments.rounds)
        print(line(figures), flush=True)
        results.append(figures._asdict())
    report.write("vla", arguments, results)


if __name__ == "__main__":
    main()
