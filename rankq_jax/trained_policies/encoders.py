"""What an exported policy makes of images and dictionaries, in numpy: the features that its layers see."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

KERNEL = 3  # rows and columns of a convolution
MOST_ENTRIES = 16  # of an observation
MOST_CONVOLUTIONS = 10
EPSILON = 1e-6  # of the layer normalization


class Pixels(NamedTuple):
    """Convolutions of 3 x 3 with ReLU, then a dense layer, layer normalization and tanh.

    Attributes:
      kernels: `[3, 3, inputs, outputs]` of each convolution, float32.
      biases: `[outputs]` of each.
      strides: of each, 1 or more.
      projection: `[inputs, features]`.
      projection_bias: `[features]`.
      scale: `[features]`, of the layer normalization.
      offset: `[features]`.
    """

    kernels: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    strides: tuple[int, ...]
    projection: np.ndarray
    projection_bias: np.ndarray
    scale: np.ndarray
    offset: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """`[n, H, W, C] -> [n, features]`, float32."""
        for kernel, bias, stride in zip(self.kernels, self.biases, self.strides, strict=True):
            x = np.maximum(convolved(x, kernel, stride) + bias, 0.0)
        x = x.reshape(len(x), -1) @ self.projection + self.projection_bias
        centered = x - x.mean(axis=1, keepdims=True)
        deviation = np.sqrt(np.square(centered).mean(axis=1, keepdims=True) + np.float32(EPSILON))
        return np.tanh(centered / deviation * self.scale + self.offset)


def convolved(x: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    """`[n, H, W, C], [k, k, C, F] -> [n, h, w, F]`: a convolution without padding, as one matrix product."""
    size = kernel.shape[0]
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))[:, ::stride, ::stride]
    n, h, w = windows.shape[:3]
    columns = windows.transpose(0, 1, 2, 4, 5, 3).reshape(n * h * w, -1)
    return (columns @ kernel.reshape(-1, kernel.shape[-1])).reshape(n, h, w, -1)


class Entry(NamedTuple):
    """One array of an observation.

    Attributes:
      name: empty if the observation is this array; names within names have dots between.
      shape: without the axis of rows.
      dtype: its name; floating-point numbers are taken in any precision.
      pixels: what makes features of it; None: its numbers are the features, those of integer images over 255.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    pixels: Pixels | None = None

    @property
    def features(self) -> int:
        """How many features it becomes."""
        return math.prod(self.shape) if self.pixels is None else len(self.pixels.scale)

    def __call__(self, found: np.ndarray) -> np.ndarray:
        """`[n, *shape] -> [n, features]`, float32.

        Raises:
          ValueError: if it has another shape or type.
        """
        real = np.dtype(self.dtype).kind == "f"
        same = found.dtype.kind in "fiu" if real else found.dtype == np.dtype(self.dtype)
        if found.shape[1:] != self.shape or found.ndim == 0 or not same:
            what = f"observation {self.name!r}" if self.name else "the observation"
            needed = f"{self.dtype}[n, {', '.join(map(str, self.shape))}]"
            raise ValueError(f"{what} is {found.dtype}{list(found.shape)}, {needed} is needed")
        image = len(self.shape) == 3 and not real
        x = found.astype(np.float32) / np.float32(255.0 if image else 1.0)
        return x.reshape(len(x), -1) if self.pixels is None else self.pixels(x)


class Encoder(NamedTuple):
    """The arrays of an observation; their features stand in the order of the entries."""

    entries: tuple[Entry, ...]

    @property
    def features(self) -> int:
        """How many there are."""
        return sum(entry.features for entry in self.entries)

    def __call__(self, observation: Any) -> np.ndarray:
        """Observations `[n, *O]`, an array or a dictionary of arrays, to features `[n, F]`.

        Raises:
          ValueError: if an entry is missing, or has another shape or type.
        """
        found = _named(observation)
        for entry in self.entries:
            if entry.name not in found:
                told = f"an entry {entry.name!r}" if entry.name else "an array"
                raise ValueError(f"the observation has {sorted(found)}, {told} is needed")
        return np.concatenate([entry(found[entry.name]) for entry in self.entries], axis=1)


def _named(observation: Any, prefix: str = "") -> dict[str, np.ndarray]:
    if not isinstance(observation, Mapping):
        return {prefix: np.asarray(observation)}
    found: dict[str, np.ndarray] = {}
    for name, part in observation.items():
        found |= _named(part, f"{prefix}.{name}" if prefix else str(name))
    return found


def declared(encoder: Encoder) -> list[dict[str, Any]]:
    """What a file says of the entries in JSON."""
    return [
        {
            "name": entry.name,
            "shape": list(entry.shape),
            "dtype": entry.dtype,
            "strides": None if entry.pixels is None else list(entry.pixels.strides),
        }
        for entry in encoder.entries
    ]


def weights(encoder: Encoder) -> dict[str, np.ndarray]:
    """Every array of an encoder, by the name of its field."""
    found: dict[str, np.ndarray] = {}
    for index, entry in enumerate(encoder.entries):
        if entry.pixels is not None:
            for layer, (kernel, bias) in enumerate(
                zip(entry.pixels.kernels, entry.pixels.biases, strict=True)
            ):
                found |= {f"convolution_{index}_{layer}": kernel, f"convolution_bias_{index}_{layer}": bias}
            for field in Pixels._fields[3:]:
                found[f"{field}_{index}"] = getattr(entry.pixels, field)
    return found


FIELDS = (
    *(f"{field}_{index}" for index in range(MOST_ENTRIES) for field in Pixels._fields[3:]),
    *(
        f"{part}_{index}_{layer}"
        for index in range(MOST_ENTRIES)
        for layer in range(MOST_CONVOLUTIONS)
        for part in ("convolution", "convolution_bias")
    ),
)


def read(entries: Any, saved: Mapping[str, np.ndarray]) -> Encoder:
    """The encoder that a file declares.

    Args:
      entries: what `declared` returned, from an untrusted file.
      saved: the fields of the file.

    Raises:
      ValueError: if they describe none.
    """
    if not isinstance(entries, list) or not 0 < len(entries) <= MOST_ENTRIES:
        raise ValueError("field 'about' does not say 'observation'")
    encoder = Encoder(tuple(_entry(index, one, saved) for index, one in enumerate(entries)))
    if len({entry.name for entry in encoder.entries}) < len(encoder.entries):
        raise ValueError("field 'about' names an observation twice")
    return encoder


def _entry(index: int, one: Any, saved: Mapping[str, np.ndarray]) -> Entry:
    kinds = {"name": str, "shape": list, "dtype": str}
    if not isinstance(one, dict) or any(type(one.get(name)) is not kind for name, kind in kinds.items()):
        raise ValueError(f"field 'about' does not describe the observation {index}")
    shape, strides, dtype = tuple(one["shape"]), one.get("strides"), one["dtype"]
    if not all(type(size) is int and 0 < size <= 2**16 for size in shape) or len(shape) > 4:
        raise ValueError(f"field 'about' gives the observation {index} no shape")
    if dtype not in ("uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64", "float32"):
        raise ValueError(f"field 'about' gives the observation {index} the type {dtype[:40]!r}")
    if strides is None:
        return Entry(one["name"], shape, dtype)
    whole = isinstance(strides, list) and all(type(stride) is int and 0 < stride < 9 for stride in strides)
    if not whole or len(strides) > MOST_CONVOLUTIONS or len(shape) != 3:
        raise ValueError(f"field 'about' gives the observation {index} no strides")
    names = [
        f"{part}_{index}_{i}" for i in range(len(strides)) for part in ("convolution", "convolution_bias")
    ]
    names += [f"{field}_{index}" for field in Pixels._fields[3:]]
    for name in names:
        if name not in saved:
            raise ValueError(f"field {name!r} is missing")
    found = [saved[name] for name in names]
    pixels = Pixels(tuple(found[:-4:2]), tuple(found[1:-4:2]), tuple(strides), *found[-4:])
    if problem := _problem(index, shape, pixels):
        raise ValueError(problem)
    return Entry(one["name"], shape, dtype, pixels)


def _problem(index: int, shape: tuple[int, ...], pixels: Pixels) -> str:
    """Which field does not fit its neighbours; empty if all do."""
    height, width, channels = shape
    for layer, (kernel, bias, stride) in enumerate(
        zip(pixels.kernels, pixels.biases, pixels.strides, strict=True)
    ):
        height, width = ((size - KERNEL) // stride + 1 for size in (height, width))
        square = kernel.ndim == 4 and kernel.shape[:3] == (KERNEL, KERNEL, channels) and kernel.size > 0
        if not square or bias.shape != kernel.shape[3:] or min(height, width) < 1:
            return f"field 'convolution_{index}_{layer}' does not fit its neighbours"
        channels = kernel.shape[3]
    features = pixels.scale.shape
    fits = pixels.projection.shape == (height * width * channels, *features)
    if not fits or len(features) != 1 or {pixels.offset.shape, pixels.projection_bias.shape} != {features}:
        return f"field 'projection_{index}' does not fit its neighbours"
    return ""
