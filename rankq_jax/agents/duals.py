"""Dual variables: losses on a logarithm that read the metrics of the critic and of the actor."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from rankq_jax.losses import temperature_dual
from rankq_jax.types import Metrics

# Every dual variable that some actor-critic agent uses, with its first value (a logarithm).
INITIAL = {"temperature": 0.0, "cql_weight": 1.0}

# (logarithm of the variable [], metrics of critic and actor) -> loss []
DualLoss = Callable[[jax.Array, Metrics], jax.Array]


def temperature(target_entropy: float) -> DualLoss:
    """Moves the entropy of the policy to `target_entropy` (nats)."""
    return lambda log_value, metrics: temperature_dual(log_value, metrics["log_density"], target_entropy)


def cql_weight(weight: float, threshold: float) -> DualLoss:
    """Raises `alpha'` while the conservative gap exceeds `threshold`: `-alpha' weight (gap - threshold)`.

    The published loss is half the sum over two critics, which is the mean over critics here.
    """

    def loss(log_value: jax.Array, metrics: Metrics) -> jax.Array:
        multiplier = jnp.clip(jnp.exp(log_value), 0.0, 1e6)
        return -multiplier * weight * jax.lax.stop_gradient(metrics["cql/gap"] - threshold)

    return loss
