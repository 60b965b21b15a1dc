"""The multilayer perceptron that policies and critics are made of."""

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from rankq_jax.types import Params


class MLP(nn.Module):
    """Dense layers with ReLU, orthogonal kernels and zero biases, as in the published Cal-QL code.

    Attributes:
      hidden: width of each hidden layer.
      outputs: width of the output layer.
      output_gain: gain of the output kernel; small, so that first values and actions are near zero.
      layer_norm: whether each hidden layer is normalised before its ReLU (as in RLPD).
    """

    hidden: Sequence[int]
    outputs: int
    output_gain: float = 0.01
    layer_norm: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """`[..., I] -> [..., outputs]`."""
        for width in self.hidden:
            x = nn.Dense(width, kernel_init=nn.initializers.orthogonal(2.0**0.5))(x)
            if self.layer_norm:
                x = nn.LayerNorm()(x)
            x = nn.relu(x)
        return nn.Dense(self.outputs, kernel_init=nn.initializers.orthogonal(self.output_gain))(x)


def network(module: nn.Module) -> tuple[Callable[..., Params], Callable[..., Any]]:
    """`(init, apply)` of a flax module as plain functions: `init(key, *inputs)`, `apply(params, *inputs)`."""
    return module.init, module.apply


def flat(event: jax.Array, like: jax.Array) -> jax.Array:
    """`event` with the event axes that follow the batch axes of `like [..., features]` made one."""
    return jnp.reshape(event, (*like.shape[:-1], -1))
