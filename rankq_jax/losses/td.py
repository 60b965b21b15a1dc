"""Temporal-difference learning on arrays (Eq. 1 of the RankQ paper, arXiv 2605.11151).

Termination lives in `discount`, so no `done` appears.
"""

import chex
import jax
import jax.numpy as jnp


def td_target(reward: jax.Array, discount: jax.Array, next_value: jax.Array) -> jax.Array:
    """`[B], [B], [B] -> [B]`: `r + gamma (1 - d) V(s')`, gradient stopped.

    One step, n steps and action chunks differ only in how `reward` and `discount` were built.

    Raises:
      AssertionError: at trace time, if the shapes differ.
    """
    chex.assert_equal_shape([reward, discount, next_value])
    return jax.lax.stop_gradient(reward + discount * next_value)


def squared_td(q: jax.Array, target: jax.Array) -> jax.Array:
    """`[E, B], [B] -> [E, B]`: squared error of every critic member to one shared target.

    Raises:
      AssertionError: at trace time, if `q[0]` and `target` differ in shape.
    """
    chex.assert_equal_shape([q[0], target])
    return jnp.square(q - target[None])


def ensemble_min(q: jax.Array) -> jax.Array:
    """`[E, ...] -> [...]`: the most pessimistic member (clipped double Q, arXiv 1802.09477, eq. 10)."""
    return jnp.min(q, axis=0)
