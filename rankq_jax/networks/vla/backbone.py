"""The backbone: tokens of an image or a state and of an instruction, the prefix transformer, the readout."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from rankq_jax.networks.flows import Prefix
from rankq_jax.networks.mlp import Arithmetic
from rankq_jax.networks.vla.sizes import IMAGE, INSTRUCTION, STATE, Stage, VlaSizes
from rankq_jax.networks.vla.transformer import Layer, RMSNorm

POSITIONS = nn.initializers.normal(0.02)
# As far apart as the words: what is put on what is told by their order only.
WORD_POSITIONS = nn.initializers.normal(1.0)


class Stem(nn.Module):
    """Convolutions that make tokens of an image, with layer normalization and GELU between them.

    A convolution whose windows do not overlap is a dense layer of patches: the same numbers, and on CPU
    several times as fast, above all backward.

    Attributes:
      stages: the convolutions.
      arithmetic: of their products.
    """

    stages: tuple[Stage, ...]
    arithmetic: Arithmetic

    @nn.compact
    def __call__(self, image: jax.Array) -> jax.Array:
        """`[B, R, C, 3] uint8 -> [B, P, filters]`, pixels scaled from [0, 255] to [-1, 1]."""
        dtype, precision = self.arithmetic
        x = image.astype(jnp.float32) / 127.5 - 1.0
        for index, (kernel, stride, filters) in enumerate(self.stages):
            if index:
                x = nn.gelu(nn.LayerNorm(name=f"norm_{index}")(x))
            name = f"convolution_{index}"
            if kernel == stride:
                x = nn.Dense(filters, dtype=dtype, precision=precision, name=name)(_patches(x, kernel))
            else:
                window = (kernel, kernel)
                layer = nn.Conv(
                    filters, window, (stride, stride), dtype=dtype, precision=precision, name=name
                )
                x = layer(x)
        return x.reshape(x.shape[0], -1, x.shape[-1])


def _patches(x: jax.Array, size: int) -> jax.Array:
    """`[B, R, C, F] -> [B, R / size, C / size, size^2 F]`."""
    batch, rows, columns, filters = x.shape
    x = x.reshape(batch, rows // size, size, columns // size, size, filters)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, rows // size, columns // size, -1)


def _mean(x: jax.Array, mask: jax.Array) -> jax.Array:
    """`[B, P, W], [B, P] -> [B, W]`: the mean over the tokens that there are."""
    share = mask / mask.sum(axis=1, keepdims=True)
    return jnp.sum(x * share[:, :, None], axis=1)


def _last(x: jax.Array, mask: jax.Array) -> jax.Array:
    """`[B, P, W], [B, P] -> [B, W]`: the last token that there is."""
    place = mask.shape[1] - 1 - jnp.argmax(mask[:, ::-1], axis=1)
    return jnp.take_along_axis(x, place[:, None, None], axis=1)[:, 0]


class Backbone(nn.Module):
    """Tokens that attend to each other in both directions, and a readout of them.

    A `flat` readout is learned: it flattens the tokens of the image (or of the state), because a mean over
    tokens loses places. Words reach it through attention. `mean` is the mean over all tokens that there are,
    `last` the last one of them, each token normalized as large models normalize what their transformer
    returns.

    Attributes:
      sizes: see `VlaSizes`.
    """

    sizes: VlaSizes

    @nn.compact
    def __call__(self, observation: Any) -> Prefix:
        """`[B, *O] -> Prefix`."""
        sizes = self.sizes
        dtype, precision = sizes.arithmetic
        scene = self._scene(observation)
        scenes, words = scene.shape[1], observation[INSTRUCTION]
        x = jnp.concatenate([scene, self._text(words)], axis=1)
        mask = jnp.concatenate([jnp.ones(scene.shape[:2], bool), words > 0], axis=1)
        seen = jnp.broadcast_to(mask[:, None], (*mask.shape, mask.shape[1]))
        layers = []
        for index in range(sizes.depth):
            layer = Layer(sizes.heads, sizes.head_dim, sizes.mlp, sizes.arithmetic, name=f"layer_{index}")
            x, kv = layer(x, seen)
            layers.append(kv)
        kv, norm = jnp.stack(layers, axis=1), RMSNorm(name="norm")
        if sizes.readout != "flat":
            pool = _mean if sizes.readout == "mean" else _last
            return Prefix(kv, mask, pool(norm(x), mask))
        each = norm(x[:, :scenes])
        each = nn.Dense(sizes.token_readout, dtype=dtype, precision=precision, name="token_readout")(each)
        flat = each.reshape(each.shape[0], -1)
        h = nn.Dense(sizes.flat_readout, dtype=dtype, precision=precision, name="readout")(flat)
        return Prefix(kv, mask, nn.LayerNorm(name="readout_norm")(h.astype(jnp.float32)))

    def _scene(self, observation: Any) -> jax.Array:
        """`[B, P, W]`: the tokens of the image, or those of the state."""
        sizes = self.sizes
        if sizes.image is None:
            dense = nn.Dense(sizes.state_tokens * sizes.width, name="state")
            x = dense(observation[STATE].astype(jnp.float32))
            x = x.reshape(-1, sizes.state_tokens, sizes.width)
        else:
            x = Stem(sizes.stem, sizes.arithmetic, name="stem")(observation[IMAGE]).astype(jnp.float32)
        places = self.param("scene_positions", POSITIONS, x.shape[1:])
        return x + places[None]

    def _text(self, words: jax.Array) -> jax.Array:
        """`[B, T] int32 -> [B, T, W]`; a product with a one-hot matrix, whose gradient needs no scatter."""
        table = self.param("words", nn.initializers.normal(1.0), (self.sizes.vocabulary, self.sizes.width))
        places = self.param("word_positions", WORD_POSITIONS, (words.shape[1], self.sizes.width))
        return jax.nn.one_hot(words, self.sizes.vocabulary, dtype=table.dtype) @ table + places[None]
