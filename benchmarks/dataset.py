"""Updates per second from a dataset on disk, against the same dataset in memory, by turns.

python -m benchmarks.dataset --rows=2000000
"""

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import rankq_jax as rq
from benchmarks import report, work
from rankq_jax.data import stored
from rankq_jax.types import Transition

COLD = "disk, out of the cache"
PLACES = ("memory", "disk", COLD)
SHARE = 0.8


def forget(folder: Path) -> None:
    """Takes the files of a folder out of the system's cache, as if they were larger than memory."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def updates_per_second(data: Transition, values: argparse.Namespace) -> float:
    """RankQ's own update through the loop; the first iteration, with compilation, is left out."""
    task = rq.make_task(work.TASK)
    networks = rq.networks.cal_ql(task.spec, hidden=values.hidden, unrolled_critics=True)
    count = values.updates * values.dispatches
    plan = rq.offline_to_online(
        rq.agents.rankq(networks, rq.Optimizers.adam(3e-4)), offline_updates=2 * count, env_steps=0,
        batch_size=values.batch, updates_per_iteration=count, updates_per_dispatch=values.updates,
    )  # fmt: skip
    clock = []
    for event in rq.Run(plan, task, data, evaluation_episodes=1):
        if isinstance(event, rq.Updated):
            clock.append((event.updates, time.perf_counter()))
        if isinstance(event, rq.Evaluating):
            break
    (first, begin), (last, end) = clock[values.dispatches - 1], clock[-1]
    return float((last - first) / (end - begin))


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = report.parser("dataset", "Updates from a dataset on disk, as a Markdown table.", rounds=3)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the random dataset")
    parser.add_argument("--hidden", type=report.numbers, default=(256, 256), help="widths of all networks")
    parser.add_argument("--batch", type=int, default=256, help="rows of a batch")
    parser.add_argument("--updates", type=int, default=50, help="per dispatch")
    parser.add_argument("--dispatches", type=int, default=4, help="that a measurement has")
    arguments = report.parsed(parser, argv)
    rates: dict[str, list[float]] = {place: [] for place in PLACES}
    with tempfile.TemporaryDirectory() as name:
        folder, memory = Path(name), work.dataset(arguments.rows)
        stored.write([memory], folder, dict)
        size = sum(path.stat().st_size for path in folder.iterdir())
        for _ in range(arguments.rounds):
            for place in PLACES:
                if place == COLD:
                    forget(folder)
                data = memory if place == "memory" else stored.read(folder)
                rates[place].append(updates_per_second(data, arguments))
    print(report.heading(arguments))
    print(f"RankQ, batches of {arguments.batch} of {arguments.rows:,} rows ({size / 1e9:.2f} GB).\n")
    print(report.header(("dataset in", "updates/s", "of those from memory")))
    for place, found in rates.items():
        ratio = np.array(found) / np.array(rates["memory"])
        print(report.row((place, f"{np.median(found):.0f}", report.spread(ratio))))
    share = float(np.median(np.array(rates[PLACES[1]]) / np.array(rates["memory"])))
    print(f"\nTarget: at least {SHARE} of the rate from memory: {report.against(share, SHARE)}.")
    report.write("dataset", arguments, {"bytes": size, "updates_per_second": rates})


if __name__ == "__main__":
    main()
