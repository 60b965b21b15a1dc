"""Batches that mix offline and online data."""

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
      offline: the dataset, leaves `[N, ...]`, at least one row.
      online: the replay buffers, leaves `[S, ...]`.
      mixing_ratio: `[S]` float32, share of offline rows in a batch. -1: the dataset's share of everything
        recorded so far. `merged` does not read it.
      labels: columns `[S, N, ...]` that take the place of those of the same name in `offline.extras`.
      seed: `[]` int32, whose batch is drawn. None: there is one seed, and no leaf has an `[S]`.
    """

    offline: Transition
    online: Buffer
    mixing_ratio: jax.Array
    labels: dict[str, jax.Array]
    seed: jax.Array | None = None

    def own(self, value: jax.Array) -> jax.Array:
        """`[S, ...] -> [...]`: the seed's."""
        return value if self.seed is None else value[self.seed]

    def rows(self, value: jax.Array, index: jax.Array) -> jax.Array:
        """`[S, M, ...], [B] -> [B, ...]`: rows of the seed's, without a copy of all its M rows."""
        return value[index] if self.seed is None else value[self.seed, index]


# `pmap` axes: devices share the dataset and own the buffers, ratios and labels of their seeds.
DEVICE_AXES: Any = Sources(cast(Any, None), cast(Any, 0), cast(Any, 0), cast(Any, 0))


def of_seed(sources: Sources, seed: jax.Array) -> Sources:
    """`sources` for one of their seeds, see `lifting.vmap_seeds`. Nothing is taken out of them."""
    return sources._replace(seed=seed)


def offline_rows(sources: Sources, batch_size: int) -> jax.Array:
    """`[]` int32: how many rows of a batch come from the dataset, `floor(batch_size * share)`.

    All of them while the online buffer is empty.
    """
    recorded = sources.offline.reward.shape[0]
    inserted, ratio = sources.own(sources.online.inserted), sources.own(sources.mixing_ratio)
    merged = recorded / (recorded + inserted.astype(jnp.float32))
    share = jnp.where(ratio < 0.0, merged, ratio)
    share = jnp.where(inserted == 0, 1.0, share)
    return jnp.floor(batch_size * share).astype(jnp.int32)


def _picked(sources: Sources, old: jax.Array, new: jax.Array, from_offline: jax.Array) -> Transition:
    """Rows `old [B]` of the dataset where `from_offline [B]`, else rows `new [B]` of the buffer."""
    recorded = jax.tree.map(lambda x: x[old], sources.offline)
    labels = {name: sources.rows(column, old) for name, column in sources.labels.items()}
    recorded = recorded._replace(extras={**recorded.extras, **labels})
    replayed = jax.tree.map(lambda x: sources.rows(x, new), sources.online.data)

    def pick(offline: jax.Array, online: jax.Array) -> jax.Array:
        return jnp.where(from_offline.reshape(-1, *(1,) * (offline.ndim - 1)), offline, online)

    return jax.tree.map(pick, recorded, replayed)


@checked()
def uniform(batch_size: Count) -> Callable[[Sources, Key], Transition]:
    """Rows drawn uniformly with replacement, offline rows first: as many of them as `offline_rows` says.

    Args:
      batch_size: B, offline and online rows together.

    Raises:
      ValueError: if `batch_size` is below 1.
    """

    def sample(sources: Sources, key: Key) -> Transition:
        k_offline, k_online = jax.random.split(key)
        held = jnp.maximum(sources.own(ring.size(sources.online)), 1)
        old = jax.random.randint(k_offline, (batch_size,), 0, sources.offline.reward.shape[0])
        new = jax.random.randint(k_online, (batch_size,), 0, held)
        from_offline = jnp.arange(batch_size) < offline_rows(sources, batch_size)
        return _picked(sources, old, new, from_offline)

    return sample


def merged(batch_size: int) -> Callable[[Sources, Key], Transition]:
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

    def sample(sources: Sources, key: Key) -> Transition:
        recorded = sources.offline.reward.shape[0]
        held = sources.own(ring.size(sources.online))
        index = jax.random.randint(key, (batch_size,), 0, recorded + held)
        from_offline = index < recorded
        old = jnp.minimum(index, recorded - 1)
        new = jnp.maximum(index - recorded, 0)
        return _picked(sources, old, new, from_offline)

    return sample
