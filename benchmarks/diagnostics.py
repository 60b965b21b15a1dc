"""What the diagnostics of a critic cost, as a share of the updates that they follow.

python -m benchmarks.diagnostics --algorithms=rankq,iql --every=1000
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks import report, work
from benchmarks.operations import NEEDED, Sizes
from benchmarks.turns import Run, by_turns, timed
from rankq_jax.configs import RunConfig
from rankq_jax.parallel import seeds_over_devices
from rankq_jax.training.agents import diagnosed
from rankq_jax.types import Transition

COLUMNS = ("algorithm", "compile s", "ms of diagnostics", "ms of an update", "share of the time in %")


class Figures(NamedTuple):
    """One line of the table.

    Attributes:
      algorithm: name.
      compile: seconds of the first diagnostics beyond those of later ones.
      diagnostics: `[rounds]` seconds.
      update: `[rounds]` seconds of one update, by turns.
      share: `[rounds]` of the time of so many updates that diagnostics follow.
    """

    algorithm: str
    compile: float
    diagnostics: np.ndarray
    update: np.ndarray
    share: np.ndarray


def diagnosing(config: RunConfig, data: Transition) -> Run:
    """One call makes the diagnostics of every seed, as `loop.events` does."""
    layout = seeds_over_devices(config.seeds, jax.local_devices()[:1])
    state, sources = work.learner(config, layout, data, 1_000)
    chosen, own = (
        diagnosed(work.agent(config, data.action.shape[-1]), config, layout),
        work.keys(config.seeds),
    )
    assert chosen is not None  # the algorithms of the benchmark have critics
    keys = layout.split(own)

    def run() -> Any:
        return chosen.measure(state, sources, keys)

    return run


def measure(
    algorithm: str, data: Transition, sizes: Sizes, every: int, duration: float, rounds: int
) -> Figures:
    """Diagnostics and a dispatch of 100 updates by turns, one seed on one device.

    Args:
      algorithm: name.
      data: synthetic.
      sizes: of the work.
      every: updates between two diagnostics.
      duration: seconds of a measurement, about.
      rounds: measurements of each thing.
    """
    config, dispatch = work.configured(algorithm, sizes), 100
    layout = seeds_over_devices(1, jax.local_devices()[:1])
    things = {
        "updates": timed(work.dispatched(config, layout, data, dispatch), duration),
        "diagnostics": timed(diagnosing(config, data), duration),
    }
    found = by_turns(things, rounds)
    update, own = found["updates"] / dispatch, found["diagnostics"]
    return Figures(algorithm, things["diagnostics"].first, own, update, own / (every * update + own))


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = report.parser("diagnostics", "The cost of diagnostics, as a Markdown table.", rounds=5)
    parser.add_argument("--algorithms", type=report.names(NEEDED), default=("rankq", "iql"))
    parser.add_argument("--every", type=int, default=1_000, help="updates between two diagnostics")
    parser.add_argument("--batch", type=int, default=256, help="rows of a batch")
    parser.add_argument("--rows", type=int, default=100_000, help="of the synthetic dataset")
    parser.add_argument("--seconds", type=float, default=0.5, help="of one measurement, about")
    arguments = report.parsed(parser, argv)
    data, sizes = work.dataset(arguments.rows), Sizes(batch=arguments.batch)
    print(report.heading(arguments))
    print(report.header(COLUMNS), flush=True)
    results = []
    for algorithm in arguments.algorithms:
        found = measure(algorithm, data, sizes, arguments.every, arguments.seconds, arguments.rounds)
        cells = (
            found.algorithm, f"{found.compile:.1f}", f"{1e3 * np.median(found.diagnostics):.2f}",
            f"{1e3 * np.median(found.update):.2f}", report.spread(100.0 * found.share),
        )  # fmt: skip
        print(report.row(cells), flush=True)
        results.append(found._asdict())
    report.write("diagnostics", arguments, results)


if __name__ == "__main__":
    main()
