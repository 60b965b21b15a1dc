"""The layer of both transformers: multi-query attention with rotary positions, and a gated perceptron.

Keys and values have one head for all heads of queries (arXiv 1911.02150), as in the Gemma models that pi0 is
made of. So the queries of all heads are rows of one matrix product for each row of the batch.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from rankq_jax.networks.mlp import Arithmetic

BASE = 10_000.0  # of the wave lengths of rotary positions
EPSILON = 1e-6


class RMSNorm(nn.Module):
    """Division by the root mean square, times `1 + scale` (Gemma); in float32."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """`[..., W] -> [..., W]`."""
        scale = self.param("scale", nn.initializers.zeros_init(), (x.shape[-1],))
        x = x.astype(jnp.float32)
        x = x * jax.lax.rsqrt(jnp.mean(jnp.square(x), axis=-1, keepdims=True) + EPSILON)
        return x * (1.0 + scale.reshape((1,) * (x.ndim - 1) + (-1,)))


def rotate(x: jax.Array, first: int) -> jax.Array:
    """`[B, P, *N, d] -> [B, P, *N, d]`: rotary positions first, first + 1, ... (arXiv 2104.09864).

    The two halves of the last axis are the coordinates of the planes that rotate.
    """
    half = x.shape[-1] // 2
    rate = BASE ** (-np.arange(half) / half)
    angle = np.arange(first, first + x.shape[1])[:, None] * rate
    shape = (1, x.shape[1], *(1,) * (x.ndim - 3), half)
    sine, cosine = (f(angle).astype(np.float32).reshape(shape) for f in (np.sin, np.cos))
    left, right = x[..., :half], x[..., half:]
    return jnp.concatenate([left * cosine - right * sine, left * sine + right * cosine], axis=-1)


class Layer(nn.Module):
    """A layer of tokens that attend to themselves, and to tokens before them whose keys are given.

    Attributes:
      heads: of the queries.
      head_dim: d.
      mlp: width of the hidden layer.
      arithmetic: of the matrix products.
    """

    heads: int
    head_dim: int
    mlp: int
    arithmetic: Arithmetic

    @nn.compact
    def __call__(
        self, x: jax.Array, mask: jax.Array, before: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """`[B, T, W] -> [B, T, W], [B, 2, T, d]`: the tokens, and their rotated keys and their values.

        Args:
          x: the tokens.
          mask: `[B, T, P + T]` bool, what each token attends to.
          before: `[B, 2, P, d]`, keys and values of the P tokens before; None: there are none.
        """
        dtype, precision = self.arithmetic
        rows, tokens, width = x.shape
        dense = lambda size, name: nn.Dense(  # noqa: E731
            size, use_bias=False, dtype=dtype, precision=precision, name=name
        )
        first = 0 if before is None else before.shape[2]
        joined = dense((self.heads + 2) * self.head_dim, "queries_key_value")(
            RMSNorm(name="attention_norm")(x)
        )
        joined = joined.reshape(rows, tokens, self.heads + 2, self.head_dim)
        turned = rotate(joined[:, :, :-1], first)  # queries and key
        own = jnp.stack([turned[:, :, -1], joined[:, :, -1]], axis=1)
        known = own if before is None else jnp.concatenate([before.astype(own.dtype), own], axis=2)
        seen = _attend(turned[:, :, :-1], known, mask, precision)
        x = x + dense(width, "output")(seen.reshape(rows, tokens, -1))
        gate, value = jnp.split(dense(2 * self.mlp, "gate_value")(RMSNorm(name="mlp_norm")(x)), 2, axis=-1)
        return x + dense(width, "down")(nn.gelu(gate) * value), own


def _attend(
    queries: jax.Array, known: jax.Array, mask: jax.Array, precision: jax.lax.Precision | None
) -> jax.Array:
    """`[B, T, N, d], [B, 2, P, d], [B, T, P] -> [B, T, N, d]`."""
    rows, tokens, heads, size = queries.shape
    flat = queries.reshape(rows, tokens * heads, size) * size**-0.5
    scores = jnp.einsum("bqd,bpd->bqp", flat, known[:, 0], precision=precision).astype(jnp.float32)
    scores = scores.reshape(rows, tokens, heads, -1)
    weights = jax.nn.softmax(jnp.where(mask[:, :, None], scores, -1e9), axis=-1).astype(known.dtype)
    mixed = weights.reshape(rows, tokens * heads, -1)
    return jnp.einsum("bqp,bpd->bqd", mixed, known[:, 1], precision=precision)
