"""A ring buffer of transitions as pure functions on a NamedTuple of arrays."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rankq_jax.types import Transition


class Buffer(NamedTuple):
    """The newest transitions of one seed.

    Attributes:
      data: leaves `[capacity, ...]`.
      inserted: `[]` int32, transitions ever added; the next one goes to `inserted % capacity`.
    """

    data: Transition
    inserted: jax.Array


def init(example: Transition, capacity: int) -> Buffer:
    """An empty buffer for transitions like the rows of `example` `[B, ...]`.

    Raises:
      ValueError: if `capacity` is below 1.
    """
    if capacity < 1:
        raise ValueError(f"a buffer needs room for at least one transition, not {capacity}")
    data = jax.tree.map(lambda x: jnp.zeros((capacity, *x.shape[1:]), x.dtype), example)
    return Buffer(data, jnp.zeros((), jnp.int32))


def capacity(buffer: Buffer) -> int:
    """How many transitions fit, into each of several too."""
    return buffer.data.reward.shape[-1]


def size(buffer: Buffer) -> jax.Array:
    """`[]` int32, how many transitions are held; `[S]` of S buffers."""
    return jnp.minimum(buffer.inserted, capacity(buffer))


def add(buffer: Buffer, rows: Transition, count: jax.Array) -> Buffer:
    """Writes the first `count` of `rows` `[M, ...]`, oldest out first, in one scatter.

    The rest of `rows` is padding, so that one compiled program serves every count.

    Raises:
      ValueError: at trace time, if `rows` could overtake themselves, M above the capacity.
    """
    room, offered = capacity(buffer), rows.reward.shape[0]
    if offered > room:
        raise ValueError(f"{offered} rows at once do not fit into a buffer of {room}")
    offset = jnp.arange(offered, dtype=jnp.int32)
    # Padding aims past the end, where the scatter drops it.
    index = jnp.where(offset < count, (buffer.inserted + offset) % room, room)
    data = jax.tree.map(lambda x, new: x.at[index].set(new, mode="drop"), buffer.data, rows)
    return Buffer(data, buffer.inserted + jnp.asarray(count, jnp.int32))


def read(buffer: Buffer, first: jax.Array, count: int) -> Transition:
    """`[count, ...]`: row `first` `[]`, counted from the first that was ever added, and those after it.

    What has not been added yet or is not held any more has the row in its place.
    """
    index = (first + jnp.arange(count, dtype=jnp.int32)) % capacity(buffer)
    return jax.tree.map(lambda x: x[index], buffer.data)
