"""Named sets of candidate actions: `(key, action [B, *A], group [B, ...]) -> {name: [B, *A]}`."""

from collections.abc import Callable
from typing import Annotated

import jax
import jax.numpy as jnp

from rankq_jax.bounds import Interval, checked
from rankq_jax.types import Key

ActionSets = Callable[..., dict[str, jax.Array]]

# Without noise the noisy actions are the recorded ones, and the pairs of both teach nothing.
Sigma = Annotated[float, Interval(0.0, 10.0, above=True)]


def next_of_group(group: jax.Array) -> jax.Array:
    """`[B, ...] -> [B]`: for each row the next one that equals it, after the last of them the first.

    A row that equals no other one has itself. Where all are equal it is the cyclic shift.
    """
    rows = group.shape[0]
    numbers = group.reshape(rows, -1)
    order = jnp.lexsort(numbers.T)  # equal rows side by side, and stable: in the order of the batch
    ordered, place = numbers[order], jnp.arange(rows)
    begins = jnp.concatenate([jnp.ones(1, bool), jnp.any(ordered[1:] != ordered[:-1], axis=1)])
    ends = jnp.roll(begins, -1)
    first = jax.lax.cummax(jnp.where(begins, place, 0))
    following = jnp.where(ends, first, place + 1)
    return jnp.zeros(rows, order.dtype).at[order].set(order[following])


@checked()
def perturbed(sigma: Sigma) -> ActionSets:
    """The self-supervised actions of RankQ (arXiv 2605.11151, sec. 3).

    `noisy` is `a + sigma eps` and `very_noisy` is `a + 2 sigma eps` with the same `eps`, neither
    clipped; `random` is uniform in [-1, 1]; `permuted` is the minibatch's actions rolled by -1, so
    that row i holds the action of row i + 1. Where a group is given, row i holds the action of the next row
    with the same group, and the last of them that of the first (see `next_of_group`).

    Args:
      sigma: standard deviation of the small perturbation, in units of the action range [-1, 1].

    Raises:
      ValueError: if `sigma` is out of bounds.
    """

    def sets(key: Key, action: jax.Array, group: jax.Array | None = None) -> dict[str, jax.Array]:
        k_noise, k_random = jax.random.split(key)
        noise = sigma * jax.random.normal(k_noise, action.shape, action.dtype)
        return {
            "noisy": action + noise,
            "very_noisy": action + 2.0 * noise,
            "random": jax.random.uniform(k_random, action.shape, action.dtype, -1.0, 1.0),
            "permuted": jnp.roll(action, -1, axis=0) if group is None else action[next_of_group(group)],
        }

    return sets
