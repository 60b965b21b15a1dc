"""Updates per second of each algorithm, and how far they are from what the machine can multiply.

python -m benchmarks.updates --algorithms=sac,rankq --sizes=256x2,256x4
python -m benchmarks.updates --trace=rankq
"""

import argparse
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from benchmarks import operations, report, targets, traces, work
from benchmarks.operations import NEEDED, Sizes
from benchmarks.turns import Run, Timed, by_turns, large_product, timed
from rankq_jax.parallel import seeds_over_devices
from rankq_jax.types import Transition

COLUMNS = (
    "algorithm", "hidden", "compile s", "updates/s", "GFLOP", "GFLOP/s", "of a large product",
    "of its own products", "one by one, updates/s", "ratio", "targets",
)  # fmt: skip


class Figures(NamedTuple):
    """One line of the table. Arrays are `[rounds]`, measured by turns.

    Attributes:
      algorithm: name.
      hidden: widths.
      operations: that one update needs.
      compile: seconds of the first dispatch beyond those of a later one.
      update: seconds of an update, many per dispatch.
      alone: seconds of an update, one per dispatch.
      large: operations per second of a large matrix product.
      own: operations per second of the products of the update, run back to back.
    """

    algorithm: str
    hidden: tuple[int, ...]
    operations: float
    compile: float
    update: np.ndarray
    alone: np.ndarray
    large: np.ndarray
    own: np.ndarray

    @property
    def rate(self) -> np.ndarray:
        """Operations per second that an update needs and gets, `[rounds]`."""
        return self.operations / self.update


class Effort(NamedTuple):
    """How much is measured.

    Attributes:
      updates: per dispatch.
      duration: seconds of a measurement, about.
      rounds: measurements of each thing.
      peak: rows and columns of the large matrix product.
      vmapped: the updates that are dispatched one by one map over critic members and actions, in place of the
        layout that the library has on the platform.
    """

    updates: int
    duration: float
    rounds: int
    peak: int
    vmapped: bool = False


def measure(algorithms: Sequence[str], sizes: Sizes, data: Transition, effort: Effort) -> list[Figures]:
    """Everything of all algorithms of one size by turns, one line each."""
    layout = seeds_over_devices(1, jax.local_devices()[:1])
    things: dict[str, Timed] = {}
    own_operations = {}

    def add(name: str, run: Run, share: float = 1.0) -> None:
        things[name] = timed(run, share * effort.duration)

    for algorithm in algorithms:
        config = work.configured(algorithm, sizes)
        products = NEEDED[algorithm](sizes)
        add(f"{algorithm} update", work.dispatched(config, layout, data, effort.updates))
        add(f"{algorithm} large", large_product(effort.peak), 0.5)
        plain = (
            work.configured(algorithm, sizes, execution={"critics": "batched"}) if effort.vmapped else config
        )
        add(f"{algorithm} alone", work.one_by_one(plain, data, effort.vmapped))
        run, own_operations[algorithm] = operations.back_to_back(products, effort.updates)
        add(f"{algorithm} own", run, 0.5)
    found = by_turns(things, effort.rounds)
    return [
        Figures(
            algorithm=algorithm,
            hidden=sizes.hidden,
            operations=operations.total(NEEDED[algorithm](sizes)),
            compile=things[f"{algorithm} update"].first,
            update=found[f"{algorithm} update"] / effort.updates,
            alone=found[f"{algorithm} alone"],
            large=2.0 * effort.peak**3 / found[f"{algorithm} large"],
            own=own_operations[algorithm] / found[f"{algorithm} own"],
        )
        for algorithm in algorithms
    ]


def line(figures: Figures, bounds: targets.Targets) -> str:
    """A row of the table."""
    share, ratio = figures.rate / figures.large, figures.alone / figures.update
    name = figures.algorithm
    judged = targets.verdict(
        ("share", float(np.median(share)), bounds.share),
        ("ratio", float(np.median(ratio)), bounds.ratio.get(name)),
        ("rate", float(np.median(1.0 / figures.update)), bounds.rate.get(name)),
    )
    cells = (
        name, "x".join(map(str, figures.hidden)), f"{figures.compile:.1f}",
        f"{np.median(1.0 / figures.update):,.0f}", f"{figures.operations / 1e9:.2f}",
        f"{np.median(figures.rate) / 1e9:,.0f}", report.spread(share),
        report.spread(figures.rate / figures.own), f"{np.median(1.0 / figures.alone):,.0f}",
        report.spread(ratio), judged,
    )  # fmt: skip
    return report.row(cells)


def comparison(lines: Sequence[Figures], bounds: targets.Targets) -> str:
    """The time of RankQ's update over that of Cal-QL's, in a sentence; empty unless both were measured."""
    update = {figures.algorithm: figures.update for figures in lines}
    if not {"rankq", "cal_ql"} <= set(update):
        return ""
    quotient, bound = update["rankq"] / update["cal_ql"], bounds.rank_over_conservative
    return (
        f"Time of a RankQ update over that of a Cal-QL update, hidden {lines[0].hidden}: "
        f"{report.spread(quotient, 3)}; target at most {bound}: "
        f"{report.against(float(np.median(quotient)), bound, at_most=True)}."
    )


def widths(text: str) -> tuple[tuple[int, ...], ...]:
    """`"256x2,64x3" -> ((256, 256), (64, 64, 64))`.

    Raises:
      ArgumentTypeError: if an entry is not two whole numbers above 0.
    """
    try:
        pairs = [tuple(int(number) for number in part.split("x")) for part in text.split(",")]
        if any(len(pair) != 2 or min(pair) < 1 for pair in pairs):
            raise ValueError(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not WIDTHxLAYERS[,...], as 256x2,256x4") from error
    return tuple((width,) * layers for width, layers in pairs)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = report.parser("updates", "Updates per second, as a Markdown table.", rounds=5)
    parser.add_argument("--algorithms", type=report.names(NEEDED), default=tuple(NEEDED))
    parser.add_argument("--sizes", type=widths, default=((256, 256),), help="WIDTHxLAYERS[,...]")
    parser.add_argument("--updates", type=int, default=50, help="per dispatch")
    parser.add_argument("--batch", type=int, default=256, help="rows of a batch")
    parser.add_argument("--rows", type=int, default=100_000, help="of the synthetic dataset")
    parser.add_argument("--seconds", type=float, default=0.6, help="of one measurement, about")
    parser.add_argument("--peak", type=int, default=2048, help="rows and columns of the large matrix product")
    parser.add_argument(
        "--baseline", choices=("same", "vmapped"), default="same", help="critics of updates one by one"
    )
    parser.add_argument("--trace", choices=tuple(NEEDED), help="the largest costs of this algorithm's update")
    arguments = report.parsed(parser, argv)
    data = work.dataset(arguments.rows)
    if arguments.trace:
        sizes = Sizes(hidden=arguments.sizes[0], batch=arguments.batch)
        found = traces.measure(arguments.trace, sizes, data, arguments.updates)
        print(traces.text(arguments.trace, found))
        report.write("updates trace", arguments, found._asdict())
        return
    vmapped = arguments.baseline == "vmapped"
    effort = Effort(arguments.updates, arguments.seconds, arguments.rounds, arguments.peak, vmapped)
    bounds = targets.of_platform()
    print(report.heading(arguments))
    print(f"Batches of {arguments.batch} rows; {arguments.updates} updates per dispatch.\n")
    print(report.header(COLUMNS), flush=True)
    results, sentences = [], []
    for hidden in arguments.sizes:
        sizes = Sizes(hidden=hidden, batch=arguments.batch)
        lines = measure(arguments.algorithms, sizes, data, effort)
        for figures in lines:
            print(line(figures, bounds), flush=True)
        results += [figures._asdict() for figures in lines]
        sentences += [comparison(lines, bounds)]
    print("", *filter(None, sentences), sep="\n")
    if bounds is targets.CPU:
        print(f"{targets.GPU_ONLY} need a GPU.")
    report.write("updates", arguments, results)


if __name__ == "__main__":
    main()
