"""Losses of the soft actor-critic policy and of its temperature, arXiv 1812.05905."""

import chex
import jax
import jax.numpy as jnp


def entropy_regularised(log_density: jax.Array, q: jax.Array, temperature: jax.Array) -> jax.Array:
    """`[B], [B], [] -> [B]`: `alpha log pi(a|s) - Q(s, a)` at a reparameterised action (Eq. 7 of SAC).

    Raises:
      AssertionError: at trace time, if the shapes differ.
    """
    chex.assert_equal_shape([log_density, q])
    return temperature * log_density - q


def temperature_dual(log_temperature: jax.Array, log_density: jax.Array, target_entropy: float) -> jax.Array:
    """`[], [] -> []`: `-log alpha (E[log pi] + H)`, gradient to `log alpha` alone.

    Eq. 18 of SAC with `log alpha` in place of `alpha`, as in the published Cal-QL code.
    """
    return -log_temperature * jax.lax.stop_gradient(jnp.mean(log_density) + target_entropy)
