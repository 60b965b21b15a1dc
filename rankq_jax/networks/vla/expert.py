"""The action expert: the velocity of a chunk, from tokens that attend to the keys of the prefix."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from rankq_jax.networks.flows import Prefix, embed_time
from rankq_jax.networks.vla.sizes import VlaSizes
from rankq_jax.networks.vla.transformer import Layer, RMSNorm


class Expert(nn.Module):
    """A transformer of its own width over [state token, C action tokens], as deep as that of the prefix.

    The token of the robot's own state sees the prefix and itself, the action tokens see everything (pi0, App.
    B). An action token is made of a noisy step of the chunk and of the flow time.

    Attributes:
      sizes: see `VlaSizes`.
    """

    sizes: VlaSizes

    @nn.compact
    def __call__(self, x: jax.Array, tau: jax.Array, prefix: Prefix, proprio: jax.Array) -> jax.Array:
        """`[B, C S], [B], Prefix, [B, p] -> [B, C S]`, toward data."""
        sizes = self.sizes
        dtype, precision = sizes.arithmetic
        dense = lambda size, name: nn.Dense(size, dtype=dtype, precision=precision, name=name)  # noqa: E731
        width, rows = sizes.expert_width, x.shape[0]
        steps = dense(width, "action")(x.reshape(rows, sizes.chunk, sizes.step_size))
        time = jnp.broadcast_to(embed_time(tau, width)[:, None], steps.shape)
        steps = dense(width, "time_0")(jnp.concatenate([steps, time.astype(steps.dtype)], axis=-1))
        steps = dense(width, "time_1")(nn.swish(steps))
        tokens = jnp.concatenate([dense(width, "proprio")(proprio)[:, None], steps], axis=1)
        tokens = tokens.astype(jnp.float32)
        mask = _mask(prefix.mask, sizes.chunk)
        for index in range(sizes.depth):
            layer = Layer(
                sizes.heads, sizes.head_dim, sizes.expert_mlp, sizes.arithmetic, name=f"layer_{index}"
            )
            tokens, _ = layer(tokens, mask, prefix.kv[:, index])
        out = nn.Dense(sizes.step_size, precision=precision, name="velocity")
        return out(RMSNorm(name="norm")(tokens[:, 1:])).reshape(rows, -1)


def _mask(prefix: jax.Array, chunk: int) -> jax.Array:
    """`[B, P] -> [B, 1 + C, P + 1 + C]`: what the state token and the action tokens attend to."""
    rows, tokens = prefix.shape[0], 1 + chunk
    own = jnp.ones((tokens, tokens), bool).at[0, 1:].set(False)
    before = jnp.broadcast_to(prefix[:, None], (rows, tokens, prefix.shape[1]))
    return jnp.concatenate([before, jnp.broadcast_to(own[None], (rows, tokens, tokens))], axis=-1)
