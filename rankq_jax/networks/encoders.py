"""Encoders: flax modules from `observation [B, *O]` to features `[B, F]`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from rankq_jax.bounds import Count, Widths
from rankq_jax.errors import add_name
from rankq_jax.networks.mlp import FLOAT32, Arithmetic
from rankq_jax.specs import describe_array, entries, is_image

PROJECTION = "projection"  # names the part of an encoder that every network has of its own
AUTO, IDENTITY, CNN = "auto", "identity", "cnn"
KERNEL = 3  # rows and columns of a convolution


class EncoderSizes(NamedTuple):
    """What a user of an encoder chooses freely.

    Attributes:
      filters: of each convolution, from the first to the last.
      features: that an image becomes.
      arithmetic: of convolutions, see `mlp.Arithmetic`.
    """

    filters: Widths = (32, 32, 32, 32)
    features: Count = 50
    arithmetic: Arithmetic = FLOAT32


class Flatten(nn.Module):
    """An array in one axis and in float32; images of integers are scaled from [0, 255] to [0, 1]."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """`[B, ...] -> [B, F]`."""
        return x.reshape(x.shape[0], -1).astype(jnp.float32) / image_scale(x)


def image_scale(array: jax.Array) -> float:
    """What an array `[B, ...]` is divided by: 255 for images of integers, else 1."""
    return 255.0 if jnp.issubdtype(array.dtype, jnp.integer) and array.ndim == 4 else 1.0


class Projection(nn.Module):
    """A dense layer, layer normalization and tanh."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """`[B, F] -> [B, features]`."""
        x = nn.Dense(self.features, kernel_init=nn.initializers.xavier_uniform())(x)
        return nn.tanh(nn.LayerNorm()(x))


class Pixels(nn.Module):
    """The pixel encoder of DrQ and RLPD: convolutions of 3 x 3 with ReLU, the first of stride 2; projection.

    Integers are scaled from [0, 255] to [0, 1]. Weights start Xavier-uniform (RLPD code, arXiv 2302.02948).
    The name of a convolution has its stride, so that its parameters say what it computes.

    Attributes:
      filters: of each convolution.
      features: that the projection returns.
      arithmetic: of the convolutions.
    """

    filters: Sequence[int]
    features: int
    arithmetic: Arithmetic = FLOAT32

    @nn.compact
    def __call__(self, image: jax.Array) -> jax.Array:
        """`[B, H, W, C] -> [B, features]`."""
        dtype, precision = self.arithmetic
        x = image.astype(dtype) / image_scale(image)
        for index, width in enumerate(self.filters):
            stride = 1 if index else 2
            x = nn.Conv(
                width,
                (KERNEL, KERNEL),
                strides=(stride, stride),
                padding="VALID",
                dtype=dtype,
                precision=precision,
                kernel_init=nn.initializers.xavier_uniform(),
                name=f"convolution_{index}_stride_{stride}",
            )(x)
            x = nn.relu(x)
        flat = x.reshape(x.shape[0], -1).astype(jnp.float32)
        return Projection(self.features, name=PROJECTION)(flat)


class Named(nn.Module):
    """One encoder for each array of an observation; features stand in the order of the names.

    Attributes:
      encoders: by the names of `specs.entries`.
    """

    encoders: Mapping[str, nn.Module]

    def __call__(self, observation: Any) -> jax.Array:
        """`[B, *O] -> [B, F]`."""
        named = entries(observation)
        return jnp.concatenate([self.encoders[name](leaf) for name, leaf in named.items()], axis=-1)


def _flatten(leaf: Any, sizes: EncoderSizes) -> nn.Module:
    del leaf, sizes
    return Flatten()


def _automatic(leaf: Any, sizes: EncoderSizes) -> nn.Module:
    """The encoder of an image for images, else the array as it is."""
    if not is_image(leaf):
        if len(leaf.shape) > 1:
            raise ValueError(
                f"no encoder is known for {describe_array(leaf)}, which is neither a vector nor an image "
                "[H, W, C]; give encoder='identity' or a module"
            )
        return Flatten()
    for size in leaf.shape[:2]:
        left = (size - KERNEL) // 2 + 1 - (KERNEL - 1) * (len(sizes.filters) - 1)
        if sizes.filters and left < 1:
            raise ValueError(
                f"an image {describe_array(leaf)} is too small for {len(sizes.filters)} convolutions; give "
                "fewer encoder_filters"
            )
    return Pixels(tuple(sizes.filters), sizes.features, sizes.arithmetic)


# (specification of one array, sizes) -> its encoder
ArrayEncoder = Callable[[Any, EncoderSizes], nn.Module]
ENCODERS: dict[str, ArrayEncoder] = {AUTO: _automatic, IDENTITY: _flatten, CNN: _automatic}


def register_encoder(name: str, make: ArrayEncoder) -> ArrayEncoder:
    """Adds an encoder to `ENCODERS`; its name is then a value of the configuration's field `encoder`.

    Args:
      name: of the encoder.
      make: `(specification of one array of an observation, sizes) -> flax module [B, ...] -> [B, F]`.

    Raises:
      ValueError: if the name belongs to another encoder.
    """
    return add_name(ENCODERS, "encoder", name, make)


def encoder_of(
    observation: Any, choice: str | nn.Module | None = AUTO, sizes: EncoderSizes | None = None
) -> nn.Module | None:
    """What networks look at an observation through; None: at the vector as it is.

    Args:
      observation: `TaskSpec.observation`; None: a flat vector of any length.
      choice: a name of `ENCODERS`, or a module `observation [B, *O] -> features [B, F]`. `auto` takes a CNN
        for images, and vectors as they are; `cnn` refuses an observation without an image.
      sizes: of the encoder; None: those of the published code.

    Raises:
      ValueError: if there is no encoder of that name, or it does not fit the observation.
    """
    if choice is None or isinstance(choice, nn.Module):
        return choice
    if choice not in ENCODERS:
        raise ValueError(f"encoder={choice!r} must be one of {', '.join(ENCODERS)}, or a module")
    named = {"": jax.ShapeDtypeStruct((1,), jnp.float32)} if observation is None else entries(observation)
    if choice == CNN and not any(map(is_image, named.values())):
        raise ValueError("encoder='cnn' is for images, and the observation has none; leave it out")
    vector = (
        set(named) == {""} and len(named[""].shape) == 1 and jnp.issubdtype(named[""].dtype, jnp.floating)
    )
    if vector and choice in (AUTO, IDENTITY):
        return None
    encoders = {name: ENCODERS[choice](leaf, sizes or EncoderSizes()) for name, leaf in named.items()}
    return encoders[""] if set(encoders) == {""} else Named(encoders)
