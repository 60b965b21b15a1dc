"""Networks as pairs of pure functions: `Policy` and `Critic` of `rankq_jax.types`."""

from rankq_jax.networks.critics import ensemble
from rankq_jax.networks.gaussian import tanh_gaussian
from rankq_jax.networks.mlp import MLP

__all__ = ["MLP", "ensemble", "tanh_gaussian"]
