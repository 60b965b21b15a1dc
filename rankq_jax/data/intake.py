"""Finished episodes on their way into the replay buffers of all seeds."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import jax
import numpy as np

from rankq_jax.data.episodes import concatenate
from rankq_jax.types import Episodes, Transition

ROWS_PER_BLOCK = 1024  # transitions per seed that one call of `buffer.add` takes


def blocks(
    ended: Sequence[tuple[int, Episodes]],
    seeds: int,
    prepare: Callable[[Episodes], Transition],
    like: Transition,
    capacity: int,
) -> Iterator[tuple[Transition, np.ndarray]]:
    """Labeled transitions in blocks of one fixed shape, so that one compiled program takes them all.

    Args:
      ended: `(seed index, episode)`, whole episodes in the order in which they ended.
      seeds: S.
      prepare: labels whole episodes.
      like: a `Transition` with the leaves' trailing shapes and types.
      capacity: of a seed's buffer; no block is longer.

    Yields:
      Leaves `[S, M, ...]`, and how many of the M rows of each seed count, `[S]` int32.
    """
    labeled = {}
    for seed in range(seeds):
        mine = [episode for owner, episode in ended if owner == seed]
        if mine:
            labeled[seed] = prepare(concatenate(mine))
    yield from stacked(labeled, seeds, like, capacity)


def stacked(
    rows: Mapping[int, Transition], seeds: int, like: Transition, capacity: int
) -> Iterator[tuple[Transition, np.ndarray]]:
    """Rows `[n, ...]` of some of the seeds, by their index, in the blocks of `blocks`."""
    longest = max((len(mine.reward) for mine in rows.values()), default=0)
    size = min(ROWS_PER_BLOCK, capacity)
    for start in range(0, longest, size):
        block = jax.tree.map(lambda x: np.zeros((seeds, size, *x.shape[1:]), x.dtype), like)
        counts = np.zeros(seeds, np.int32)
        for seed, mine in rows.items():
            part = jax.tree.map(lambda x, s=start: x[s : s + size], mine)
            counts[seed] = len(part.reward)
            for leaf, values in zip(jax.tree.leaves(block), jax.tree.leaves(part), strict=True):
                leaf[seed, : len(values)] = values
        yield block, counts
