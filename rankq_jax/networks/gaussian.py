"""Gaussian policies."""

from collections.abc import Sequence
from typing import Any

import distrax
import flax.linen as nn
import jax
import jax.numpy as jnp

from rankq_jax.networks.mlp import MLP, network
from rankq_jax.types import Key, Params, Policy

LOG_STD_RANGE = (-20.0, 2.0)


class TanhGaussianHead(nn.Module):
    """Mean and standard deviation before the tanh, with two learned scalars on the log deviation.

    `log_std = clip(multiplier * raw + offset)`, multiplier 1 and offset -1 at the start, as in the
    published Cal-QL code: the first deviation is about 0.37 per dimension.
    """

    hidden: Sequence[int]
    action_size: int

    @nn.compact
    def __call__(self, observation: jax.Array) -> tuple[jax.Array, jax.Array]:
        """`[B, O] -> [B, A], [B, A]`: mean and standard deviation."""
        outputs = MLP(self.hidden, 2 * self.action_size)(observation)
        mean, raw = jnp.split(outputs, 2, axis=-1)
        multiplier = self.param("log_std_multiplier", nn.initializers.constant(1.0), ())
        offset = self.param("log_std_offset", nn.initializers.constant(-1.0), ())
        return mean, jnp.exp(jnp.clip(multiplier * raw + offset, *LOG_STD_RANGE))


def tanh_gaussian(hidden: Sequence[int], action_size: int) -> Policy:
    """A Gaussian squashed by tanh (App. C of SAC, arXiv 1812.05905); its mode is `tanh(mean)`.

    A sample and its log density come from the same pre-tanh value, never from an atanh. Sampling under
    a vmap over keys alone evaluates the network once for all samples.

    Args:
      hidden: width of each hidden layer.
      action_size: A.
    """
    init_head, head = network(TanhGaussianHead(tuple(hidden), action_size))
    squash = distrax.Tanh()

    def init(key: Key, observation: Any, action: jax.Array) -> Params:
        del action
        return init_head(key, observation)

    def sample(params: Params, observation: Any, key: Key) -> tuple[jax.Array, jax.Array]:
        mean, deviation = head(params, observation)
        pre_tanh = mean + deviation * jax.random.normal(key, mean.shape, mean.dtype)
        action, log_det = squash.forward_and_log_det(pre_tanh)
        log_density = distrax.Normal(mean, deviation).log_prob(pre_tanh) - log_det
        return action, jnp.sum(log_density, axis=-1)

    def mode(params: Params, observation: Any) -> jax.Array:
        mean, _ = head(params, observation)
        return jnp.tanh(mean)

    return Policy(init, sample, mode)
