"""Gaussian policies."""

from collections.abc import Sequence
from typing import Any

import distrax
import flax.linen as nn
import jax
import jax.numpy as jnp

from rankq_jax.bounds import Count, Dropout, Switch, Widths, checked
from rankq_jax.networks.initializers import Initializer, orthogonal
from rankq_jax.networks.mlp import FLOAT32, MLP, Arithmetic, network
from rankq_jax.types import Key, Params, Policy

LOG_STD_RANGE = (-20.0, 2.0)
# Recorded actions at the edge of the box have no finite pre-tanh value.
EDGE = 1.0 - 1e-5


class TanhGaussianHead(nn.Module):
    """Mean and standard deviation before the tanh.

    With `learned_scale`, two learned scalars act on the log deviation as in the published Cal-QL code:
    `log_std = clip(multiplier * raw + offset)`, multiplier 1 and offset -1 at the start, so that the first
    deviation is about 0.37 per dimension. Without, `log_std = clip(raw)` as in the published RLPD code.
    """

    hidden: Sequence[int]
    action_size: int
    initializer: Initializer
    learned_scale: bool
    arithmetic: Arithmetic

    @nn.compact
    def __call__(self, observation: jax.Array) -> tuple[jax.Array, jax.Array]:
        """`[B, O] -> [B, A], [B, A]`: mean and standard deviation."""
        body = MLP(self.hidden, 2 * self.action_size, self.initializer, arithmetic=self.arithmetic)
        outputs = body(observation)
        mean, raw = jnp.split(outputs, 2, axis=-1)
        if self.learned_scale:
            multiplier = self.param("log_std_multiplier", nn.initializers.constant(1.0), ())
            offset = self.param("log_std_offset", nn.initializers.constant(-1.0), ())
            raw = multiplier * raw + offset
        return mean, jnp.exp(jnp.clip(raw, *LOG_STD_RANGE))


def _squashed_density(
    mean: jax.Array, deviation: jax.Array, pre_tanh: jax.Array, log_det: jax.Array
) -> jax.Array:
    """`[B]`: log density of `tanh(pre_tanh)` under a squashed Gaussian."""
    return jnp.sum(distrax.Normal(mean, deviation).log_prob(pre_tanh) - log_det, axis=-1)


@checked()
def tanh_gaussian(
    hidden: Widths,
    action_size: Count,
    initializer: Initializer | None = None,
    learned_scale: Switch = True,
    arithmetic: Arithmetic = FLOAT32,
) -> Policy:
    """A Gaussian squashed by tanh (App. C of SAC, arXiv 1812.05905); its mode is `tanh(mean)`.

    A sample and its log density come from the same pre-tanh value, never from an atanh; only the density of
    a given action needs one. Sampling under a vmap over keys alone evaluates the network once for all.

    Args:
      hidden: width of each hidden layer.
      action_size: A.
      initializer: of the weights; None: orthogonal with a last gain of 0.01.
      learned_scale: see `TanhGaussianHead`.
      arithmetic: see `Arithmetic`.
    """
    first = orthogonal(0.01) if initializer is None else initializer
    module = TanhGaussianHead(tuple(hidden), action_size, first, learned_scale, arithmetic)
    init_head, head = network(module)
    squash = distrax.Tanh()

    def init(key: Key, observation: Any, action: jax.Array) -> Params:
        del action
        return init_head(key, observation)

    def sample(params: Params, observation: Any, key: Key) -> tuple[jax.Array, jax.Array]:
        mean, deviation = head(params, observation)
        pre_tanh = mean + deviation * jax.random.normal(key, mean.shape, mean.dtype)
        action, log_det = squash.forward_and_log_det(pre_tanh)
        return action, _squashed_density(mean, deviation, pre_tanh, log_det)

    def mode(params: Params, observation: Any) -> jax.Array:
        mean, _ = head(params, observation)
        return jnp.tanh(mean)

    def log_density(params: Params, observation: Any, action: jax.Array, key: Key | None = None) -> jax.Array:
        del key
        mean, deviation = head(params, observation)
        pre_tanh = jnp.arctanh(jnp.clip(action, -EDGE, EDGE))
        return _squashed_density(mean, deviation, pre_tanh, squash.forward_log_det_jacobian(pre_tanh))

    return Policy(init, sample, mode, log_density)


class GaussianHead(nn.Module):
    """A mean that depends on the state and one log deviation per action dimension that does not."""

    hidden: Sequence[int]
    action_size: int
    initializer: Initializer
    squash_mean: bool
    log_std_range: tuple[float, float]
    dropout: float
    arithmetic: Arithmetic

    @nn.compact
    def __call__(
        self, observation: jax.Array, dropout_key: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """`[B, O] -> [B, A], [B, A]`: mean and standard deviation."""
        body = MLP(
            self.hidden,
            self.action_size,
            self.initializer,
            dropout=self.dropout,
            arithmetic=self.arithmetic,
        )
        mean = body(observation, dropout_key)
        log_std = self.param("log_std", nn.initializers.zeros_init(), (self.action_size,))
        deviation = jnp.exp(jnp.clip(log_std, *self.log_std_range))
        return jnp.tanh(mean) if self.squash_mean else mean, jnp.broadcast_to(deviation, mean.shape)


@checked()
def gaussian(
    hidden: Widths,
    action_size: Count,
    initializer: Initializer | None = None,
    *,
    squash_mean: Switch = True,
    log_std_range: tuple[float, float] = (-5.0, 2.0),
    dropout: Dropout = 0.0,
    arithmetic: Arithmetic = FLOAT32,
) -> Policy:
    """A plain Gaussian whose samples are clipped to the box, for advantage-weighted regression.

    No tanh correction enters the density: as in the published IQL code (arXiv 2110.06169) the mean alone is
    squashed. Dropout is applied where `log_density` gets a key, which is in a loss.

    Args:
      hidden: width of each hidden layer.
      action_size: A.
      initializer: of the weights; None: orthogonal with gain sqrt(2) everywhere.
      squash_mean: tanh on the mean; else the mode is clipped (AWAC).
      log_std_range: bounds of the learned log deviation.
      dropout: rate after each hidden layer.
      arithmetic: see `Arithmetic`.
    """
    first = orthogonal(2.0**0.5) if initializer is None else initializer
    module = GaussianHead(tuple(hidden), action_size, first, squash_mean, log_std_range, dropout, arithmetic)
    init_head, head = network(module)

    def init(key: Key, observation: Any, action: jax.Array) -> Params:
        del action
        return init_head(key, observation)

    def sample(params: Params, observation: Any, key: Key) -> tuple[jax.Array, jax.Array]:
        mean, deviation = head(params, observation)
        drawn = mean + deviation * jax.random.normal(key, mean.shape, mean.dtype)
        density = distrax.Normal(mean, deviation).log_prob(drawn)
        return jnp.clip(drawn, -1.0, 1.0), jnp.sum(density, axis=-1)

    def mode(params: Params, observation: Any) -> jax.Array:
        return jnp.clip(head(params, observation)[0], -1.0, 1.0)

    def log_density(params: Params, observation: Any, action: jax.Array, key: Key | None = None) -> jax.Array:
        mean, deviation = head(params, observation, key)
        return jnp.sum(distrax.Normal(mean, deviation).log_prob(action), axis=-1)

    return Policy(init, sample, mode, log_density)
