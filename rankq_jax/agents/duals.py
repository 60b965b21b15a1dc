"""Dual variables: losses on a logarithm that read the metrics of the critic and of the actor."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rankq_jax.losses import temperature_dual
from rankq_jax.types import Metrics

TEMPERATURE, CQL_WEIGHT = 0.0, 1.0  # first values, logarithms
# (logarithm of the variable [], metrics of critic and actor) -> loss []
DualLoss = Callable[[jax.Array, Metrics], jax.Array]


class Dual(NamedTuple):
    """A dual variable of an agent.

    Attributes:
      initial: first value, a logarithm.
      loss: what moves it.
    """

    initial: float
    loss: DualLoss


def temperature(target_entropy: float) -> Dual:
    """Moves the entropy of the policy to `target_entropy` (nats)."""

    def loss(log_value: jax.Array, metrics: Metrics) -> jax.Array:
        return temperature_dual(log_value, metrics["log_density"], target_entropy)

    return Dual(TEMPERATURE, loss)


def cql_weight(weight: float, threshold: float) -> Dual:
    """Raises `alpha'` while the conservative gap exceeds `threshold`: `-alpha' weight (gap - threshold)`.

    The published loss is half the sum over two critics, which is the mean over critics here.
    """

    def loss(log_value: jax.Array, metrics: Metrics) -> jax.Array:
        multiplier = jnp.clip(jnp.exp(log_value), 0.0, 1e6)
        return -multiplier * weight * jax.lax.stop_gradient(metrics["cql/gap"] - threshold)

    return Dual(CQL_WEIGHT, loss)
