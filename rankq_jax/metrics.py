"""Metrics of many updates: their means, and the first one that went bad."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rankq_jax.errors import NumericsError
from rankq_jax.types import Measured, Metrics

ADVICE = "lower the learning rates or set max_gradient_norm."


@jax.jit
def means(metrics: Metrics) -> Metrics:
    """`{name: [S, K]} -> {name: [S]}`, on the devices."""
    return {name: jnp.mean(value, axis=-1) for name, value in metrics.items()}


def finite(means: Metrics, metrics: Metrics, seeds: Sequence[int], first: int) -> dict[str, np.ndarray]:
    """The means on the host; waits for them. Nothing else travels there, unless one is not finite.

    Args:
      means: `{name: [S]}` of `metrics`.
      metrics: `{name: [S, K]}` of K updates of S seeds.
      seeds: the S seeds, for the message.
      first: updates done before these.

    Raises:
      NumericsError: names the first metric, update and seed with a NaN or an infinity.
    """
    found = jax.device_get(means)
    if all(np.isfinite(value).all() for value in found.values()):
        return found
    bad = {name: ~np.isfinite(np.asarray(value)) for name, value in metrics.items()}
    # The earliest bad update of any metric; a mean that overflowed alone is blamed on its first update.
    name = min(bad, key=lambda n: (not bad[n].any(), np.argmax(bad[n].any(axis=0)), n))
    update, seed = np.unravel_index(np.argmax(bad[name].T), bad[name].T.shape)
    value = np.asarray(metrics[name])[seed, update]
    raise NumericsError(
        f"metric {name!r} is {value} at update {first + int(update) + 1} of seed {seeds[int(seed)]}; {ADVICE}"
    )


def measured(found: Mapping[str, Measured], seeds: Sequence[int], updates: int) -> dict[str, np.ndarray]:
    """Diagnostics on the host, `{name: [S]}`; waits for them.

    They are masked arrays (`numpy.ma`), masked where a seed has no such number.

    Args:
      found: `{name: Measured [S]}`.
      seeds: the S seeds, for the message.
      updates: done so far.

    Raises:
      NumericsError: as `finite`.
    """
    each = {name: one.value[:, None] for name, one in found.items()}
    values = finite({name: one.value for name, one in found.items()}, each, seeds, updates - 1)
    rows = jax.device_get({name: one.rows for name, one in found.items()})
    return {name: np.ma.masked_array(value, rows[name] == 0) for name, value in values.items()}


def check_finite(state: Any, seeds: Sequence[int], updates: int) -> None:
    """Looks for bad numbers in a state, which no metric has shown yet.

    Args:
      state: leaves `[S, ...]`.
      seeds: the S seeds, for the message.
      updates: done so far.

    Raises:
      NumericsError: names the first leaf and seed with a NaN or an infinity.
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        if jnp.issubdtype(leaf.dtype, jnp.floating):
            good = np.isfinite(np.asarray(leaf)).reshape(len(seeds), -1).all(axis=1)
            if not good.all():
                name = jax.tree_util.keystr(path)
                seed = seeds[int(np.argmin(good))]
                raise NumericsError(
                    f"state {name} is not finite after update {updates} of seed {seed}; {ADVICE}"
                )
