"""Datasets that stay on disk: rows are drawn as in memory, and read ahead of the updates.

The numbers of the rows are a function of the keys, so that training on a dataset on disk equals training on
the same dataset in memory bit for bit. The one exception are statistics of observations of more than
`MOST_EXAMPLES` rows, which come from evenly spaced ones.
"""

import concurrent.futures
import functools
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np

from rankq_jax.data import mixture
from rankq_jax.data.mixture import Sampler, Sources
from rankq_jax.lifting import sampling_keys
from rankq_jax.parallel import Layout
from rankq_jax.phases import Diagnostics, Phase
from rankq_jax.types import Key, Transition

RowDrawer = Callable[[Sources, Key], np.ndarray]  # (sources, keys [n, S]) -> rows [n, S, K, B]
MOST_EXAMPLES = 100_000  # rows of a dataset on disk that an agent's first state sees


def on_disk(dataset: Transition) -> bool:
    """Whether the leaves of a dataset are mapped files."""
    return any(isinstance(leaf, np.memmap) for leaf in jax.tree.leaves(dataset))


def examples(dataset: Transition) -> Transition:
    """The dataset for `Agent.init`, which takes statistics of it; of one on disk evenly spaced rows."""
    rows = len(dataset.reward)
    if not on_disk(dataset):
        return jax.tree.map(jnp.asarray, dataset)
    chosen = np.linspace(0, rows - 1, min(rows, MOST_EXAMPLES)).astype(np.int64)
    return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf[chosen])), dataset)


def row_drawer(phase: Phase, layout: Layout) -> RowDrawer:
    """`(sources, keys [n, S]) -> [n, S, K, B]`: the rows of the dataset that n dispatches of updates draw.

    Args:
      phase: of the updates.
      layout: how the seeds lie on the devices.

    Raises:
      ValueError: if the phase does not say how it draws.
    """
    if phase.draw is None:
        raise ValueError(f"phase {phase.name!r}: a dataset on disk needs Phase.draw")
    return _drawer(phase.draw, layout, functools.partial(sampling_keys, updates=phase.updates_per_dispatch))


def row_drawers(phase: Phase, layout: Layout) -> tuple[RowDrawer, RowDrawer | None]:
    """What draws the rows of the updates, and what draws those of the diagnostics where there are any.

    Args:
      phase: of the updates.
      layout: how the seeds lie on the devices.

    Raises:
      ValueError: as `row_drawer`.
    """
    diagnosed = None if phase.diagnostics is None else diagnostics_drawer(phase.diagnostics, layout)
    return row_drawer(phase, layout), diagnosed


def batch_keys(key: Key) -> Key:
    """`[1]`: the key that diagnostics draw their batch with."""
    return jax.random.fold_in(key, 0)[None]


def diagnostics_drawer(diagnostics: Diagnostics, layout: Layout) -> RowDrawer:
    """`(sources, keys [n, S]) -> [n, S, 1, B]`: the rows of the dataset that n diagnostics draw."""
    return _drawer(diagnostics.draw, layout, batch_keys)


def _drawer(draw: Sampler, layout: Layout, keys_of: Callable[[Key], Key]) -> RowDrawer:
    """See `row_drawer`; `keys_of` has the keys that the batches of one key are drawn with."""

    def of_seed(sources: Sources, seed: jax.Array, key: Key) -> jax.Array:
        own = mixture.of_seed(sources, seed)
        return jax.vmap(lambda k: draw.pick(own, k).old)(keys_of(key))

    def of_block(sources: Sources, keys: Key) -> jax.Array:
        seeds = jnp.arange(keys.shape[0], dtype=jnp.int32)
        return jax.vmap(of_seed, in_axes=(None, 0, 0))(sources, seeds, keys)

    run = layout.lift(of_block, in_axes=(mixture.DISK_AXES, 0))

    def rows(sources: Sources, keys: Key) -> np.ndarray:
        started = [run(sources, layout.split(own)) for own in keys]
        return np.stack([np.asarray(layout.merge(each)) for each in started])

    return rows


def read(dataset: Transition, rows: np.ndarray) -> Transition:
    """The rows `[...]` of a dataset, leaves `[..., *leaf]`."""
    order, places = np.unique(rows, return_inverse=True)  # in the order of the file, each row once
    return jax.tree.map(lambda leaf: np.asarray(leaf[order])[places.reshape(rows.shape)], dataset)


def read_ahead(dataset: Transition, rows: np.ndarray) -> Iterator[Transition]:
    """The rows `[n, ...]` of a dataset, one of the n after another; the next ones are read meanwhile."""
    with concurrent.futures.ThreadPoolExecutor(1, "dataset") as reader:
        waiting = [reader.submit(read, dataset, index) for index in rows[:1]]
        for index in range(len(rows)):
            window = waiting.pop().result()
            waiting = [reader.submit(read, dataset, following) for following in rows[index + 1 : index + 2]]
            yield window
