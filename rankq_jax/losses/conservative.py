"""Conservative value estimation: CQL (arXiv 2006.04779) and its calibration, Cal-QL (arXiv 2303.05479)."""

import chex
import jax
import jax.numpy as jnp


def log_sum_exp_gap(
    q_sampled: jax.Array,
    q_data: jax.Array,
    log_density: jax.Array | None = None,
    temperature: float = 1.0,
) -> jax.Array:
    """How far the soft maximum over sampled actions lies above the value of the data action.

    With `log_density` it is CQL(H) with importance sampling (Eq. 4 of CQL, App. F):
    `t log sum_j exp((Q_j - log p_j) / t) - Q_data`. As in the published code there is no
    `- log N` constant and the data action is not among the terms. Without `log_density`,
    the data action joins the terms.

    Args:
      q_sampled: `[E, B, N]` values of sampled actions.
      q_data: `[E, B]` values of the data actions.
      log_density: `[B, N]` log density of each sampled action under its proposal, or None.
      temperature: `t`, positive.

    Returns:
      `[E, B]`, not averaged.

    Raises:
      AssertionError: at trace time, if the shapes do not belong together.
    """
    chex.assert_equal_shape([q_sampled[..., 0], q_data])
    if log_density is None:
        terms = jnp.concatenate([q_sampled, q_data[..., None]], axis=-1)
    else:
        chex.assert_equal_shape([q_sampled[0], log_density])
        terms = q_sampled - log_density[None]
    return temperature * jax.nn.logsumexp(terms / temperature, axis=-1) - q_data


def calibrate(q: jax.Array, lower: jax.Array) -> jax.Array:
    """`[E, B, N], [B] -> [E, B, N]`: values floored at the return already achieved (Eq. 5.1 of Cal-QL).

    The gradient passes only where the value lies above the floor.

    Raises:
      AssertionError: at trace time, if `lower` does not have the batch's shape.
    """
    chex.assert_equal_shape([q[0, :, 0], lower])
    return jnp.maximum(q, lower[None, :, None])
