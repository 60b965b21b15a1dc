"""Named sets of candidate actions: `(key, action [B, *A]) -> {name: [B, *A]}`."""

from collections.abc import Callable
from typing import Annotated

import jax
import jax.numpy as jnp

from rankq_jax.bounds import Interval, checked
from rankq_jax.types import Key

ActionSets = Callable[[Key, jax.Array], dict[str, jax.Array]]

# Without noise the noisy actions are the recorded ones, and the pairs of both teach nothing.
Sigma = Annotated[float, Interval(0.0, 10.0, above=True)]


@checked()
def perturbed(sigma: Sigma) -> ActionSets:
    """The self-supervised actions of RankQ (arXiv 2605.11151, sec. 3).

    `noisy` is `a + sigma eps` and `very_noisy` is `a + 2 sigma eps` with the same `eps`, neither
    clipped; `random` is uniform in [-1, 1]; `permuted` is the minibatch's actions rolled by -1, so
    that row i holds the action of row i + 1.

    Args:
      sigma: standard deviation of the small perturbation, in units of the action range [-1, 1].

    Raises:
      ValueError: if `sigma` is out of bounds.
    """

    def sets(key: Key, action: jax.Array) -> dict[str, jax.Array]:
        k_noise, k_random = jax.random.split(key)
        noise = sigma * jax.random.normal(k_noise, action.shape, action.dtype)
        return {
            "noisy": action + noise,
            "very_noisy": action + 2.0 * noise,
            "random": jax.random.uniform(k_random, action.shape, action.dtype, -1.0, 1.0),
            "permuted": jnp.roll(action, -1, axis=0),
        }

    return sets
