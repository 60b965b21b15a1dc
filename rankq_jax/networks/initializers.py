"""First weights, by the family of algorithms whose published code draws them so."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

ArrayInitializer = Callable[..., jax.Array]  # (key, shape, dtype) -> array


class Initializer(NamedTuple):
    """How the weights of a multilayer perceptron start.

    `output_kernel` and `output_bias` belong to the last layer. A bias is drawn with the fan-in of its
    layer as second argument of the factory, because some codes scale biases by it.
    """

    kernel: ArrayInitializer
    bias: Callable[[int], ArrayInitializer]
    output_kernel: ArrayInitializer
    output_bias: Callable[[int], ArrayInitializer]


def _zeros(fan_in: int) -> ArrayInitializer:
    del fan_in
    return nn.initializers.zeros_init()


def _uniform(bound: float) -> ArrayInitializer:
    def draw(key: jax.Array, shape: Any, dtype: Any = jnp.float32) -> jax.Array:
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return draw


def _fan_in_uniform(fan_in: int) -> ArrayInitializer:
    return _uniform(fan_in**-0.5)


# Uniform in +- 1 / sqrt(fan in): a variance of 1 / (3 fan in).
_FAN_IN_KERNEL = nn.initializers.variance_scaling(1.0 / 3.0, "fan_in", "uniform")


def _orthonormal(matrix: jax.Array) -> jax.Array:
    """`[rows, columns]`, rows >= columns: the Q of its QR decomposition with a positive diagonal of R.

    Gram-Schmidt, each column twice, which is as exact as Householder reflections. Not `jnp.linalg.qr`: on CPU
    that waits inside a pool thread for other pool threads, so that several networks drawn at once (vmap over
    seeds and members) stop for ever on machines with few cores (jaxlib 0.10).
    """
    columns = jnp.arange(matrix.shape[1])

    def step(i: jax.Array, done: jax.Array) -> jax.Array:
        column = jax.lax.dynamic_index_in_dim(done, i, axis=1, keepdims=False)
        for _ in range(2):
            along = jnp.where(columns < i, column @ done, 0.0)
            column = column - done @ along
        return done.at[:, i].set(column / jnp.linalg.norm(column))

    return jax.lax.fori_loop(0, matrix.shape[1], step, matrix)


def _orthogonal(gain: float) -> ArrayInitializer:
    """Kernels `[inputs, outputs]` with orthonormal rows or columns, whichever are fewer, times `gain`."""

    def draw(key: jax.Array, shape: Any, dtype: Any = jnp.float32) -> jax.Array:
        inputs, outputs = shape
        tall = jax.random.normal(key, (max(shape), min(shape)), dtype)
        kernel = _orthonormal(tall)
        return gain * (kernel if inputs >= outputs else kernel.T)

    return draw


def orthogonal(output_gain: float) -> Initializer:
    """Orthogonal kernels with gain sqrt(2), zero biases; the last kernel with a gain of its own.

    A gain of 0.01 keeps first values and actions near zero (Cal-QL code); sqrt(2) is that of the IQL code.
    """
    return Initializer(_orthogonal(2.0**0.5), _zeros, _orthogonal(output_gain), _zeros)


def fan_in_uniform() -> Initializer:
    """Kernels and biases uniform in +- 1 / sqrt(fan in), the default of the code of TD3+BC."""
    return Initializer(_FAN_IN_KERNEL, _fan_in_uniform, _FAN_IN_KERNEL, _fan_in_uniform)


def small_output(bound: float) -> Initializer:
    """Fan-in uniform kernels, hidden biases 0.1, a last layer uniform in +- `bound` (ReBRAC code)."""

    def hidden(fan_in: int) -> ArrayInitializer:
        del fan_in
        return nn.initializers.constant(0.1)

    return Initializer(_FAN_IN_KERNEL, hidden, _uniform(bound), lambda fan_in: _uniform(bound))


def xavier() -> Initializer:
    """Xavier-uniform kernels, zero biases (RLPD code)."""
    kernel = nn.initializers.xavier_uniform()
    return Initializer(kernel, _zeros, kernel, _zeros)
