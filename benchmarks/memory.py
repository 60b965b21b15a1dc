"""Bytes on the device against rows of the dataset, capacity of the buffers, and seeds.

python -m benchmarks.memory --rows=100000,400000 --seeds=1,2,4

Arrays are placed as a run places them, and counted on the devices they lie on.
"""

import gc
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax

from benchmarks import report, work
from benchmarks.operations import NEEDED, Sizes
from rankq_jax.parallel import seeds_over_devices
from rankq_jax.training.agents import lifted

COLUMNS = (
    "seeds",
    "dataset rows",
    "buffer rows",
    "dataset MB",
    "buffers MB",
    "agents MB",
    "added MB",
    "program MB",
)


class Figures(NamedTuple):
    """One line of the table; all in bytes.

    Attributes:
      seeds: S.
      rows: of the dataset.
      capacity: of the buffer of a seed.
      dataset: its arrays, on all devices that hold them.
      buffers: of all seeds.
      agents: parameters and optimizers of all seeds.
      added: by how much the arrays alive on the devices have grown: a second copy of anything would show.
      program: what the compiled updates need beside arguments and results; None where it is not told. A copy
        of the dataset inside the program would show.
    """

    seeds: int
    rows: int
    capacity: int
    dataset: int
    buffers: int
    agents: int
    added: int
    program: int | None


def placed(value: Any) -> int:
    """Bytes of the arrays of a pytree, on every device that holds a part or a copy."""
    return sum(_bytes(leaf) for leaf in jax.tree.leaves(value) if isinstance(leaf, jax.Array))


def _bytes(leaf: jax.Array) -> int:
    size = leaf.dtype.itemsize
    for length in leaf.sharding.shard_shape(leaf.shape):
        size *= length
    return size * len(leaf.sharding.device_set)


def alive() -> int:
    """Bytes of all arrays that are alive, each piece of memory once."""
    gc.collect()
    pieces = {}
    for array in jax.live_arrays():
        if not array.is_deleted():
            for piece in array.addressable_shards:
                if not jax.dtypes.issubdtype(array.dtype, jax.dtypes.prng_key):
                    pieces[piece.data.unsafe_buffer_pointer()] = piece.data.nbytes
    return sum(pieces.values())


def measure(algorithm: str, seeds: int, rows: int, capacity: int, sizes: Sizes, updates: int) -> Figures:
    """Places the arrays of a run on the first device and counts them; compiles its updates.

    Args:
      algorithm: name.
      seeds: S.
      rows: of the dataset.
      capacity: of the buffer of a seed.
      sizes: of the work.
      updates: in a dispatch.
    """
    config = work.configured(algorithm, sizes, seeds)
    layout = seeds_over_devices(seeds, jax.local_devices()[:1])
    data = work.dataset(rows)
    before = alive()
    state, sources = work.learner(config, layout, data, capacity)
    added = alive() - before
    agent = lifted(work.agent(config), config, layout, updates)
    update: Any = agent.update
    analysis = update.lower(state, sources, layout.split(work.keys(seeds))).compile().memory_analysis()
    return Figures(
        seeds, rows, capacity, placed(sources.offline), placed(sources.online), placed(state), added,
        getattr(analysis, "temp_size_in_bytes", None),
    )  # fmt: skip


def line(figures: Figures) -> str:
    """A row of the table."""
    sizes = (figures.dataset, figures.buffers, figures.agents, figures.added, figures.program)
    cells = ("-" if size is None else f"{size / 1e6:,.1f}" for size in sizes)
    return report.row((figures.seeds, f"{figures.rows:,}", f"{figures.capacity:,}", *cells))


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = report.parser("memory", "Bytes on the device, as a Markdown table.", rounds=1)
    parser.add_argument("--algorithm", choices=tuple(NEEDED), default="rankq")
    parser.add_argument("--seeds", type=report.numbers, default=(1, 4), help="numbers of seeds")
    parser.add_argument("--rows", type=report.numbers, default=(100_000, 400_000), help="of the dataset")
    parser.add_argument("--capacity", type=report.numbers, default=(50_000, 100_000), help="of a buffer")
    parser.add_argument("--updates", type=int, default=50, help="in a dispatch")
    arguments = report.parsed(parser, argv)
    print(report.heading(arguments))
    print(f"Of {arguments.algorithm}; MB are 10^6 bytes.\n\n{report.header(COLUMNS)}", flush=True)
    rows, capacity = arguments.rows[0], arguments.capacity[0]
    cases = [(seeds, rows, capacity) for seeds in arguments.seeds]
    cases += [(arguments.seeds[0], more, capacity) for more in arguments.rows[1:]]
    cases += [(arguments.seeds[0], rows, more) for more in arguments.capacity[1:]]
    results = []
    for case in cases:
        results.append(measure(arguments.algorithm, *case, Sizes(), arguments.updates))
        print(line(results[-1]), flush=True)
    memory = jax.local_devices()[0].memory_stats()
    if memory:
        print(f"\nMost that the first device has held: {memory.get('peak_bytes_in_use', 0) / 1e6:,.1f} MB.")
    report.write("memory", arguments, [figures._asdict() for figures in results])


if __name__ == "__main__":
    main()
