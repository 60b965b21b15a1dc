"""The multilayer perceptron that policies, critics and scorers are made of."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from rankq_jax.bounds import OneOf
from rankq_jax.networks.initializers import ArrayInitializer, Initializer, orthogonal
from rankq_jax.types import Params

LAYER_NORMS = ("none", "before", "after")  # of a hidden layer, relative to its ReLU
LayerNorm = Annotated[str, OneOf(LAYER_NORMS)]


class Arithmetic(NamedTuple):
    """What the layers of a network compute in; parameters are float32.

    The output layer computes in float32 whatever `dtype` is: in bfloat16 a value near -100 could move in
    steps of 0.5 alone, and Bellman errors smaller than that would teach it nothing.

    Attributes:
      dtype: of the hidden layers: operands of their matrix products, and activations.
      precision: of all matrix products; None is the device's own.
    """

    dtype: Any = jnp.float32
    precision: jax.lax.Precision | None = None


FLOAT32 = Arithmetic()


class MLP(nn.Module):
    """Dense layers with ReLU.

    Attributes:
      hidden: width of each hidden layer.
      outputs: width of the output layer.
      initializer: of the weights; orthogonal with a small last layer, as in the published Cal-QL code.
      layer_norm: whether each hidden layer is normalised `before` its ReLU (RLPD), `after` it (ReBRAC),
        or not at all (`none`).
      dropout: rate after each hidden layer, applied when a call carries a key.
      arithmetic: see `Arithmetic`.
    """

    hidden: Sequence[int]
    outputs: int
    initializer: Initializer = orthogonal(0.01)
    layer_norm: str = "none"
    dropout: float = 0.0
    arithmetic: Arithmetic = FLOAT32

    @nn.compact
    def __call__(self, x: jax.Array, dropout_key: jax.Array | None = None) -> jax.Array:
        """`[..., I] -> [..., outputs]`, float32; dropout is off without a key."""
        first, (dtype, precision) = self.initializer, self.arithmetic

        def dense(width: int, kernel: ArrayInitializer, bias: ArrayInitializer, dtype: Any) -> nn.Dense:
            return nn.Dense(width, dtype=dtype, precision=precision, kernel_init=kernel, bias_init=bias)

        for i, width in enumerate(self.hidden):
            x = dense(width, first.kernel, first.bias(x.shape[-1]), dtype)(x)
            if self.layer_norm == "before":
                x = nn.LayerNorm(dtype=dtype)(x)
            x = nn.relu(x)
            if self.layer_norm == "after":
                x = nn.LayerNorm(dtype=dtype)(x)
            if self.dropout > 0.0 and dropout_key is not None:
                own = jax.random.fold_in(dropout_key, i)
                x = nn.Dropout(self.dropout, deterministic=False)(x, rng=own)
        return dense(self.outputs, first.output_kernel, first.output_bias(x.shape[-1]), jnp.float32)(x)


def network(module: nn.Module) -> tuple[Callable[..., Params], Callable[..., Any]]:
    """`(init, apply)` of a flax module as plain functions: `init(key, *inputs)`, `apply(params, *inputs)`."""
    return module.init, module.apply


def flat(event: jax.Array, like: jax.Array) -> jax.Array:
    """`event` with the event axes that follow the batch axes of `like [..., features]` made one."""
    return jnp.reshape(event, (*like.shape[:-1], -1))
