"""Networks as pairs of pure functions: `Policy`, `Critic` and `Value` of `rankq_jax.types`."""

from rankq_jax.networks.critics import ensemble, over_actions, state_value
from rankq_jax.networks.deterministic import deterministic
from rankq_jax.networks.families import FAMILIES, Networks, Sizes
from rankq_jax.networks.gaussian import gaussian, tanh_gaussian
from rankq_jax.networks.mlp import MLP, Arithmetic

__all__ = [
    "FAMILIES",
    "MLP",
    "Arithmetic",
    "Networks",
    "Sizes",
    "deterministic",
    "ensemble",
    "gaussian",
    "over_actions",
    "state_value",
    "tanh_gaussian",
]
