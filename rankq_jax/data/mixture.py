"""Batches that mix offline and online data."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp

from rankq_jax.bounds import Count, checked
from rankq_jax.data import buffer as ring
from rankq_jax.data.buffer import Buffer
from rankq_jax.types import Key, Transition


class Sources(NamedTuple):
    """What batches are drawn from, for all seeds of a device, which share the dataset.

    Attributes:
      offline: the dataset, leaves `[N, ...]`, at least one row. Where `recorded` is given: the rows of it
        that K updates have drawn, leaves `[S, K, B, ...]`.
      online: the replay buffers, leaves `[S, ...]`.
      mixing_ratio: `[S]` float32, share of offline rows in a batch. -1: the dataset's share of everything
        recorded so far. `merged` does not read it.
      labels: columns `[S, N, ...]` that take the place of those of the same name in `offline.extras`.
      recorded: `[]` int32, N of a dataset that stays on disk; None: `offline` is the dataset.
      seed: `[]` int32, whose batch is drawn. None: there is one seed, and no leaf has an `[S]`.
      update: `[]` int32, which of the K updates draws, where `recorded` is given.
    """

    offline: Transition
    online: Buffer
    mixing_ratio: jax.Array
    labels: dict[str, jax.Array]
    recorded: jax.Array | None = None
    seed: jax.Array | None = None
    update: jax.Array | None = None

    def own(self, value: jax.Array) -> jax.Array:
        """`[S, ...] -> [...]`: the seed's."""
        return value if self.seed is None else value[self.seed]

    def rows(self, value: jax.Array, index: jax.Array) -> jax.Array:
        """`[S, M, ...], [B] -> [B, ...]`: rows of the seed's, without a copy of all its M rows."""
        return value[index] if self.seed is None else value[self.seed, index]

    @property
    def count(self) -> Any:
        """N, the rows of the dataset."""
        return self.offline.reward.shape[0] if self.recorded is None else self.recorded

    def offline_at(self, index: jax.Array) -> Transition:
        """Rows `index [B]` of the dataset; where it is on disk, those were read before."""
        place: Any = index
        if self.recorded is not None:
            place = self.update if self.seed is None else (self.seed, self.update)
        return jax.tree.map(lambda x: x[place], self.offline)


# `pmap` axes: devices share the dataset and own the buffers, ratios and labels of their seeds.
DEVICE_AXES: Any = Sources(cast(Any, None), cast(Any, 0), cast(Any, 0), cast(Any, 0))
# The same where the dataset is on disk: the rows that were drawn belong to a seed.
DISK_AXES: Any = DEVICE_AXES._replace(offline=0)


def of_seed(sources: Sources, seed: jax.Array) -> Sources:
    """`sources` for one of their seeds, see `lifting.vmap_seeds`. Nothing is taken out of them."""
    return sources._replace(seed=seed)


def of_update(sources: Sources, update: jax.Array) -> Sources:
    """`sources` for one of the K updates whose rows were read from disk, see `lifting.scan_updates`."""
    return sources._replace(update=update)


def offline_rows(sources: Sources, batch_size: int) -> jax.Array:
    """`[]` int32: how many rows of a batch come from the dataset, `floor(batch_size * share)`.

    All of them while the online buffer is empty.
    """
    recorded = sources.count
    inserted, ratio = sources.own(sources.online.inserted), sources.own(sources.mixing_ratio)
    merged = recorded / (recorded + inserted.astype(jnp.float32))
    share = jnp.where(ratio < 0.0, merged, ratio)
    share = jnp.where(inserted == 0, 1.0, share)
    return jnp.floor(batch_size * share).astype(jnp.int32)


def _picked(sources: Sources, old: jax.Array, new: jax.Array, from_offline: jax.Array) -> Transition:
    """Rows `old [B]` of the dataset where `from_offline [B]`, else rows `new [B]` of the buffer."""
    recorded = sources.offline_at(old)
    labels = {name: sources.rows(column, old) for name, column in sources.labels.items()}
    recorded = recorded._replace(extras={**recorded.extras, **labels})
    replayed = jax.tree.map(lambda x: sources.rows(x, new), sources.online.data)

    def pick(offline: jax.Array, online: jax.Array) -> jax.Array:
        return jnp.where(from_offline.reshape(-1, *(1,) * (offline.ndim - 1)), offline, online)

    return jax.tree.map(pick, recorded, replayed)


class Picks(NamedTuple):
    """Which rows a batch has.

    Attributes:
      old: `[B]` int32, of the dataset.
      new: `[B]` int32, of the buffer.
      offline: `[B]` bool, whether a row is that of the dataset.
    """

    old: jax.Array
    new: jax.Array
    offline: jax.Array


@dataclasses.dataclass(frozen=True)
class Sampler:
    """How batches are drawn. Called, it draws one: `(sources, key) -> Transition`.

    Attributes:
      pick: `(sources, key) -> Picks`. It reads numbers of rows only, never a row.
    """

    pick: Callable[[Sources, Key], Picks]

    def __call__(self, sources: Sources, key: Key) -> Transition:
        """The batch of a key."""
        return _picked(sources, *self.pick(sources, key))


@checked()
def uniform(batch_size: Count) -> Sampler:
    """Rows drawn uniformly with replacement, offline rows first: as many of them as `offline_rows` says.

    Args:
      batch_size: B, offline and online rows together.

    Raises:
      ValueError: if `batch_size` is below 1.
    """

    def pick(sources: Sources, key: Key) -> Picks:
        k_offline, k_online = jax.random.split(key)
        held = jnp.maximum(sources.own(ring.size(sources.online)), 1)
        old = jax.random.randint(k_offline, (batch_size,), 0, sources.count)
        new = jax.random.randint(k_online, (batch_size,), 0, held)
        return Picks(old, new, jnp.arange(batch_size) < offline_rows(sources, batch_size))

    return Sampler(pick)


def merged(batch_size: int) -> Sampler:
    """Rows drawn uniformly with replacement from dataset and replay buffer as from one buffer.

    So each row is offline with the probability `N / (N + n)`, whatever the others are: `N` rows of the
    dataset, `n` held by the buffer. The codes of IQL (arXiv 2110.06169) and CORL begin their replay buffer
    with the dataset and draw so. Cal-QL's code rounds the online rows of every batch up instead
    (`offline_rows`), which is far more of them while `n` is small.

    The published buffers have room for the dataset and all online steps. Where ours has less, it forgets its
    own oldest rows and keeps the dataset.

    Args:
      batch_size: B, offline and online rows together.
    """

    def pick(sources: Sources, key: Key) -> Picks:
        recorded = sources.count
        held = sources.own(ring.size(sources.online))
        index = jax.random.randint(key, (batch_size,), 0, recorded + held)
        return Picks(jnp.minimum(index, recorded - 1), jnp.maximum(index - recorded, 0), index < recorded)

    return Sampler(pick)
