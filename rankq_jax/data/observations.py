"""The arrays of observations: their keys in files, what they must be like, and where two of them differ."""

from typing import Any

import jax
import numpy as np

from rankq_jax.specs import describe_array, entries

CONNECTED = 1e-6  # between a next observation and the following row; the loaders' own


def keys_of(field: str, like: Any) -> dict[str, str]:
    """`{name: key}` of the arrays of a field in a file, e.g. `observations/image`; of one array the field.

    Args:
      field: e.g. `observations`.
      like: an observation or its specification.
    """
    return {name: "/".join([field, *name.split(".")] if name else [field]) for name in entries(like)}


def named(field: str, observation: Any) -> dict[str, np.ndarray]:
    """The arrays of observations by the keys that a file has them under."""
    return dict(zip(keys_of(field, observation).values(), entries(observation).values(), strict=True))


def differing(leaf: Any, needed: Any) -> str:
    """Why an array `[T, ...]` is no column of what is needed, in words; empty if it is one.

    Floating-point numbers of any precision will do for each other.
    """
    found = jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype)
    numbers = np.issubdtype(leaf.dtype, np.floating) and np.issubdtype(needed.dtype, np.floating)
    if leaf.ndim and found.shape == needed.shape and (found.dtype == needed.dtype or numbers):
        return ""
    return f"has {describe_array(found)} per step where the task needs {describe_array(needed)}"


def apart(following: np.ndarray, observation: np.ndarray) -> np.ndarray:
    """`[n]` bool: rows that differ by more than `CONNECTED` in some number."""
    following, observation = (x.reshape(len(x), -1) for x in (following, observation))
    bad: np.ndarray = (following != observation).any(axis=1)
    if bad.any():  # what differs at all is rare and looked at again
        one, other = following[bad], observation[bad]
        bad[bad] = (np.abs(one.astype(np.float64) - other) > CONNECTED).any(axis=1)
    return bad
