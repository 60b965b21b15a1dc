"""What the arrays of a dataset file must look like. Every message names the file, the key and an index."""

from collections.abc import Mapping
from typing import NoReturn

import numpy as np

from rankq_jax.errors import InputError


def refusal(source: str, key: str, problem: str, remedy: str) -> InputError:
    """The error for `key` of `source`, to be raised: what is wrong, where, and what to do."""
    return InputError(f"{source}: field {key!r} {problem}; {remedy}.")


def vectors(source: str, key: str, array: np.ndarray) -> np.ndarray:
    """`array` as it is, if it is `[N, size]` of floating-point numbers.

    Raises:
      InputError: if it is not.
    """
    if array.dtype.kind != "f":
        _refuse(
            source,
            key,
            f"has dtype {array.dtype} from index 0 on, floating-point numbers are needed",
            "store it as float32",
        )
    if array.ndim != 2 or array.shape[1] == 0:
        _refuse(
            source,
            key,
            f"has shape {array.shape} from index 0 on, (steps, numbers per step) is needed",
            "store one row per step",
        )
    return array


def numbers(source: str, key: str, array: np.ndarray) -> np.ndarray:
    """`[N]` or `[N, 1]` of numbers as `[N]` float64.

    Raises:
      InputError: if `array` is something else.
    """
    if array.dtype.kind not in "biuf":
        _refuse(
            source, key, f"has dtype {array.dtype} from index 0 on, numbers are needed", "store it as float32"
        )
    return _column(source, key, array).astype(np.float64)


def flags(source: str, key: str, array: np.ndarray) -> np.ndarray:
    """`[N]` or `[N, 1]` of 0 and 1, in any type of numbers, as `[N]` bool.

    Raises:
      InputError: if `array` is something else; names the first other value.
    """
    if array.dtype.kind not in "biuf":
        _refuse(
            source, key, f"has dtype {array.dtype} from index 0 on, 0 and 1 are needed", "store it as bool"
        )
    column = _column(source, key, array)
    other = (column != 0) & (column != 1)
    if other.any():
        row = int(np.argmax(other))
        _refuse(source, key, f"is {column[row]} at index {row}, 0 or 1 is needed", "repair it")
    return column.astype(bool)


def check_lengths(source: str, arrays: Mapping[str, np.ndarray], reference: str) -> None:
    """All of `arrays` have as many rows as `reference`, and at least one.

    Args:
      source: what messages begin with.
      arrays: by key, each of one or more dimensions.
      reference: the key that says how many steps there are.

    Raises:
      InputError: names the key that ends early or late, and where.
    """
    for key, array in arrays.items():
        if array.ndim == 0:
            _refuse(source, key, "is one number, not one for each step from index 0 on", "repair it")
    steps = len(arrays[reference])
    for key, array in arrays.items():
        found = len(array)
        if found != steps:
            swapped = array.ndim == 2 and array.shape[1] == steps
            _refuse(
                source,
                key,
                f"ends at index {min(found, steps)}, it describes {found} steps and {reference!r} {steps}",
                "swap its axes" if swapped else "repair or drop that episode",
            )
    if steps == 0:
        _refuse(source, reference, "has no step, not even at index 0", "drop what is empty")


def _column(source: str, key: str, array: np.ndarray) -> np.ndarray:
    if array.ndim == 2 and array.shape[1] == 1:
        return array[:, 0]
    if array.ndim != 1:
        _refuse(
            source,
            key,
            f"has shape {array.shape} from index 0 on, one number per step is needed",
            "store it as (steps,)",
        )
    return array


def _refuse(source: str, key: str, problem: str, remedy: str) -> NoReturn:
    raise refusal(source, key, problem, remedy)
