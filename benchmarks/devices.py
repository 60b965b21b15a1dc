"""Several devices: seeds over devices and one batch over devices, against one device.

python -m benchmarks.devices --devices=1,2

Where an accelerator has as many devices they are used. On CPU they are fake ones that share the cores: what
is then measured is what the division costs, not what more hardware brings.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from benchmarks import report, work
from benchmarks.operations import NEEDED, Sizes
from benchmarks.turns import by_turns, timed
from rankq_jax.parallel import batch_over_devices, seeds_over_devices
from rankq_jax.types import Transition

WAYS = ("seeds", "batch")
COLUMNS = ("algorithm", "over devices", "devices", "seeds", "compile s", "updates/s", "of one device")


class Figures(NamedTuple):
    """One line of the table.

    Attributes:
      algorithm: name.
      way: what is divided, `seeds` or `batch`.
      devices: D.
      seeds: S, the same for every D of a way.
      compile: seconds of the first dispatch beyond those of a later one.
      update: `[rounds]` seconds of one update of all seeds.
      one: `[rounds]` the same on one device, by turns.
    """

    algorithm: str
    way: str
    devices: int
    seeds: int
    compile: float
    update: np.ndarray
    one: np.ndarray


def measure(
    algorithm: str,
    devices: Sequence[int],
    data: Transition,
    sizes: Sizes,
    updates: int,
    duration: float,
    rounds: int,
) -> list[Figures]:
    """Both ways for every number of devices by turns.

    As many seeds as the largest number of devices are divided over the devices; of one seed the batch is.

    Args:
      algorithm: name.
      devices: numbers of devices; 1 is measured in any case.
      data: shared by the seeds.
      sizes: of the work.
      updates: of each seed in a dispatch.
      duration: seconds of a measurement, about.
      rounds: measurements of each thing.
    """
    counts, things = sorted({1, *devices}), {}
    seeds = {"seeds": max(counts), "batch": 1}
    for count in counts:
        used = jax.local_devices()[:count]
        for way in WAYS:
            config = work.configured(algorithm, sizes, seeds[way])
            config = dataclasses.replace(config, parallel=way)
            layout = batch_over_devices(used) if way == "batch" else seeds_over_devices(seeds[way], used)
            things[way, count] = timed(work.dispatched(config, layout, data, updates), duration)
    found = by_turns(things, rounds)
    return [
        Figures(
            algorithm, way, count, seeds[way], one.first, found[way, count] / updates, found[way, 1] / updates
        )
        for (way, count), one in sorted(things.items(), key=lambda pair: (WAYS.index(pair[0][0]), pair[0][1]))
    ]


def line(figures: Figures) -> str:
    """A row of the table: the rate counts the updates of all seeds."""
    cells = (
        figures.algorithm, figures.way, figures.devices, figures.seeds, f"{figures.compile:.1f}",
        f"{np.median(figures.seeds / figures.update):,.0f}", report.spread(figures.one / figures.update),
    )  # fmt: skip
    return report.row(cells)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = report.parser("devices", "Updates on several devices, as a Markdown table.", rounds=5)
    parser.add_argument("--algorithms", type=report.names(NEEDED), default=("rankq",))
    parser.add_argument("--devices", type=report.numbers, default=(1, 2), help="numbers of devices")
    parser.add_argument("--updates", type=int, default=25, help="of each seed in a dispatch")
    parser.add_argument("--batch", type=int, default=256, help="rows of a batch, over all devices")
    parser.add_argument("--rows", type=int, default=100_000, help="of the synthetic dataset")
    parser.add_argument("--seconds", type=float, default=0.5, help="of one measurement, about")
    arguments = report.parsed(parser, argv)
    most = max(arguments.devices)
    jax.config.update("jax_num_cpu_devices", most)  # before the first use of a device
    if len(jax.local_devices()) < most:
        parser.error(f"--devices: {most} devices asked for, {len(jax.local_devices())} there")
    for count in arguments.devices:
        if arguments.batch % count or most % count:
            parser.error(f"--devices: {count} must divide --batch={arguments.batch} and {most} seeds")
    data, sizes = work.dataset(arguments.rows), Sizes(batch=arguments.batch)
    print(report.heading(arguments))
    fake = jax.default_backend() == "cpu" and most > 1
    print("The devices are fake and share the cores.\n" if fake else "")
    print(report.header(COLUMNS), flush=True)
    results = []
    for algorithm in arguments.algorithms:
        lines = measure(
            algorithm, arguments.devices, data, sizes, arguments.updates, arguments.seconds, arguments.rounds
        )
        for figures in lines:
            print(line(figures), flush=True)
        results += [figures._asdict() for figures in lines]
    report.write("devices", arguments, results)


if __name__ == "__main__":
    main()
