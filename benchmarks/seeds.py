"""Several seeds in one program: all at once by a vmap, or one after another, against one seed.

python -m benchmarks.seeds --seeds=1,2,4,8 --algorithms=rankq,iql
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from benchmarks import report, targets, work
from benchmarks.operations import NEEDED, Sizes
from benchmarks.turns import by_turns, timed
from rankq_jax.parallel import seeds_over_devices
from rankq_jax.training.execution import execution_of
from rankq_jax.types import Transition

MODES = ("batched", "sequential")
COLUMNS = (
    "algorithm", "seeds", "layout", "compile s", "updates/s of all seeds", "time of one seed", "targets"
)  # fmt: skip


class Figures(NamedTuple):
    """One line of the table.

    Attributes:
      algorithm: name.
      seeds: S.
      mode: layout of the seeds.
      compile: seconds of the first dispatch beyond those of a later one.
      update: `[rounds]` seconds of one update of all seeds.
      one: `[rounds]` seconds of one update of a single seed in the layout of the platform, by turns.
    """

    algorithm: str
    seeds: int
    mode: str
    compile: float
    update: np.ndarray
    one: np.ndarray


def measure(
    algorithm: str,
    seeds: Sequence[int],
    data: Transition,
    sizes: Sizes,
    updates: int,
    duration: float,
    rounds: int,
) -> list[Figures]:
    """Every number of seeds in both layouts by turns, on one device.

    Args:
      algorithm: name.
      seeds: numbers of seeds; 1 is measured in any case.
      data: shared by the seeds.
      sizes: of the work.
      updates: of each seed in a dispatch.
      duration: seconds of a measurement, about.
      rounds: measurements of each thing.
    """
    things = {}
    for count in sorted({1, *seeds}):
        for mode in MODES:
            config = work.configured(algorithm, sizes, count, {"seeds": mode})
            layout = seeds_over_devices(count, jax.local_devices()[:1])
            things[count, mode] = timed(work.dispatched(config, layout, data, updates), duration)
    found = by_turns(things, rounds)
    usual = execution_of(work.configured(algorithm, sizes).execution).seeds
    return [
        Figures(algorithm, count, mode, one.first, found[count, mode] / updates, found[1, usual] / updates)
        for (count, mode), one in things.items()
    ]


def line(figures: Figures, bounds: targets.Targets) -> str:
    """A row of the table."""
    times = figures.update / figures.one
    bound = bounds.seeds[1] if bounds.seeds and bounds.seeds[0] == figures.seeds else None
    cells = (
        figures.algorithm, figures.seeds, figures.mode, f"{figures.compile:.1f}",
        f"{np.median(figures.seeds / figures.update):,.0f}", report.spread(times),
        targets.verdict(("time", float(np.median(times)), bound), at_most=True),
    )  # fmt: skip
    return report.row(cells)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = report.parser("seeds", "Seeds in one program, as a Markdown table.", rounds=5)
    parser.add_argument("--algorithms", type=report.names(NEEDED), default=("rankq", "iql"))
    parser.add_argument("--seeds", type=report.numbers, default=(1, 2, 4, 8), help="numbers of seeds")
    parser.add_argument("--updates", type=int, default=10, help="of each seed in a dispatch")
    parser.add_argument("--batch", type=int, default=256, help="rows of a batch")
    parser.add_argument("--rows", type=int, default=100_000, help="of the synthetic dataset")
    parser.add_argument("--seconds", type=float, default=0.2, help="of one measurement, about")
    arguments = report.parsed(parser, argv)
    data, sizes, bounds = work.dataset(arguments.rows), Sizes(batch=arguments.batch), targets.of_platform()
    print(report.heading(arguments))
    usual = execution_of(work.configured(arguments.algorithms[0], sizes).execution).seeds
    print(f"Times are those of one update of all seeds, over that of one seed ({usual}).\n")
    print(report.header(COLUMNS), flush=True)
    results = []
    for algorithm in arguments.algorithms:
        lines = measure(
            algorithm, arguments.seeds, data, sizes, arguments.updates, arguments.seconds, arguments.rounds
        )
        for figures in lines:
            print(line(figures, bounds), flush=True)
        results += [figures._asdict() for figures in lines]
    if bounds is targets.CPU:
        print(f"\n{targets.GPU_ONLY} need a GPU.")
    report.write("seeds", arguments, results)


if __name__ == "__main__":
    main()
