"""Leaves of states on their way to the disk and back."""

import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from rankq_jax.errors import one_line

# Parts of a checkpoint by name, or a function of its notes that returns them.
Like = Mapping[str, Any] | Callable[[dict[str, Any]], Mapping[str, Any]]


def host_copy(leaf: Any) -> np.ndarray:
    """A leaf in memory of its own."""
    return np.array(leaf)  # a copy: on a CPU device np.asarray would look into memory that is donated


def placed(value: Any, like: Any) -> Any:
    """A leaf that was read, on the devices of another one."""
    # Arrays of one process's device cannot be placed where there are several processes.
    on_device = isinstance(like, jax.Array) and jax.process_count() == 1
    return jax.device_put(value, like.sharding) if on_device else value


def check_alike(part: Any, like: Any) -> None:
    """Compares shapes and types, which orbax leaves to its caller.

    Raises:
      ValueError: if a leaf has others than that of `like`; names it.
    """
    paths = jax.tree_util.tree_leaves_with_path(like)
    for value, (path, expected) in zip(jax.tree.leaves(part), paths, strict=True):
        if value.shape != expected.shape or value.dtype != expected.dtype:
            raise ValueError(
                f"{jax.tree_util.keystr(path)} is {value.dtype}{list(value.shape)} there and "
                f"{expected.dtype}{list(expected.shape)} here"
            )


def checksum(part: Any) -> int:
    """CRC-32 of all leaves: a part that was changed on disk does not go unnoticed."""
    found = 0
    for leaf in jax.tree.leaves(part):
        found = zlib.crc32(np.ascontiguousarray(leaf).tobytes(), found)
    return found


def text_checksum(about: Mapping[str, Any]) -> int:
    """CRC-32 of what JSON makes of a dictionary."""
    return zlib.crc32(json.dumps(about, sort_keys=True).encode())


def reason(error: Exception) -> str:
    """What went wrong, on one line."""
    return one_line(error)[:200]
