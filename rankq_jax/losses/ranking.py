"""The ranking loss of RankQ, arXiv 2605.11151: a partial order over named actions, as data."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Pair(NamedTuple):
    """One constraint: `Q(s, better) > Q(s, worse)` on the rows that carry `label`."""

    better: str
    worse: str
    label: str  # "success" or "failure": the kind of trajectory that the constraint speaks about


RANKQ_ORDER = (
    Pair("data", "noisy", "success"),  # Eq. 4
    Pair("data", "very_noisy", "success"),
    Pair("data", "permuted", "success"),
    Pair("data", "random", "success"),
    Pair("noisy", "very_noisy", "success"),  # Eq. 5, the chain
    Pair("very_noisy", "random", "success"),
    Pair("data", "random", "failure"),  # Eq. 6, deliberately nothing stronger
)


def pair_loss(q_better: jax.Array, q_worse: jax.Array) -> jax.Array:
    """`[...], [...] -> [...]`: `softplus(q_worse - q_better)`, no margin, no temperature (Eq. A.1).

    The gradient reaches both sides.
    """
    return jax.nn.softplus(q_worse - q_better)


def pair_slope(q_better: jax.Array, q_worse: jax.Array) -> jax.Array:
    """`[...], [...] -> [...]` in (0, 1): how hard a pair still pulls, the derivative of `pair_loss`."""
    return jax.nn.sigmoid(q_worse - q_better)


def order_loss(
    q: Mapping[str, jax.Array], order: Sequence[Pair], row_weight: Mapping[str, jax.Array]
) -> jax.Array:
    """Weighted sum of pair losses (Eqs. A.2 and A.3), one value per row.

    Args:
      q: `{name: [B]}`, values of the data action and of each perturbed action.
      order: the pairs that should hold. Static.
      row_weight: `{label: [B]}`, zero on the rows that a label does not cover.

    Returns:
      `[B]`; rows without an applicable pair are zero. The caller takes the mean over all rows.

    Raises:
      KeyError: at trace time, if `order` names an action or a label that is not given.
    """
    total = jnp.zeros_like(next(iter(q.values())))
    for pair in order:
        total = total + row_weight[pair.label] * pair_loss(q[pair.better], q[pair.worse])
    return total


def ranking_accuracy(
    q: Mapping[str, jax.Array], order: Sequence[Pair], rows: Mapping[str, jax.Array]
) -> dict[str, jax.Array]:
    """Share of rows on which each constraint holds (App. F of the paper).

    Args:
      q: `{name: [E, B]}`.
      order: the pairs to judge. Static.
      rows: `{label: [B]}`, 1 on the rows that a label covers, else 0.

    Returns:
      `{"<label>/<better>_over_<worse>": []}` in [0, 1]; 1 where a label covers no row.
    """
    accuracy = {}
    for pair in order:
        covered = jnp.broadcast_to(rows[pair.label][None], q[pair.better].shape)
        wrong = jnp.sum(covered * (q[pair.better] <= q[pair.worse]))
        accuracy[f"{pair.label}/{pair.better}_over_{pair.worse}"] = 1.0 - wrong / jnp.maximum(
            jnp.sum(covered), 1.0
        )
    return accuracy


def settled_share(
    q: Mapping[str, jax.Array],
    order: Sequence[Pair],
    rows: Mapping[str, jax.Array],
    slope: float = 0.01,
) -> jax.Array:
    """Share of the pairs that no longer pull: those whose `pair_slope` is below `slope`.

    Args:
      q: `{name: [E, B]}`.
      order: the pairs. Static.
      rows: `{label: [B]}`, 1 on the rows that a label covers, else 0.
      slope: below which a pair is settled.

    Returns:
      `[]` in [0, 1], over all pairs of all rows and members; 0 where no label covers a row.
    """
    settled, count = jnp.zeros(()), jnp.zeros(())
    for pair in order:
        covered = jnp.broadcast_to(rows[pair.label][None], q[pair.better].shape)
        settled += jnp.sum(covered * (pair_slope(q[pair.better], q[pair.worse]) < slope))
        count += jnp.sum(covered)
    return settled / jnp.maximum(count, 1.0)
