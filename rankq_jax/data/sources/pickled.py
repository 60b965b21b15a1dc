"""Pickles of plain numbers, read without running what is in them.

A pickle names functions that its reader is to call. Here the few names that numpy arrays need stand for
functions of this file, which build arrays from bytes and do nothing else; every other name is refused.
Numpy's own functions are not called, because they trust the description of an array that the file gives.
"""

import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from rankq_jax.data.sources.containers import cause
from rankq_jax.data.sources.limits import Budget
from rankq_jax.data.sources.unpickler import Made, Unpickler, dictionary, require
from rankq_jax.errors import InputError

_TYPES = re.compile(r"[biufcSU]\d+|b|O8?|\?")
_MOST_DIMENSIONS = 8


def load_pickle(path: Path, budget: Budget | None = None) -> Any:
    """What a `.npy` file of objects or a plain pickle holds: lists, dictionaries and arrays of numbers.

    Arrays of objects become flat lists. One value can stand in many places: whoever copies it has to count.

    Args:
      path: of the file.
      budget: what the objects of the file may take; None: a new one.

    Raises:
      InputError: if there is no such file, it is damaged, it names anything but what arrays of numbers
        need, or declares too much; nothing that it names is run.
    """
    budget = budget or of_file(path)
    try:
        with path.open("rb") as file:
            if path.suffix == ".npy":
                _skip_header(path, file)
            budget.spend("data", path.stat().st_size)
            data = file.read()
        return plain(Unpickler(data, _ALLOWED, budget).load())
    except InputError:
        raise
    except Exception as error:  # damaged bytes come out of pickle and numpy as almost any error
        raise InputError(
            f"{path}: field 'data' cannot be read ({cause(error)}); the file is truncated or damaged, get "
            "it again."
        ) from error


def of_file(path: Path) -> Budget:
    """The memory that the content of one file may take.

    Raises:
      InputError: if there is no such file.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path.")
    return Budget(str(path), path.stat().st_size)


def plain(value: Any) -> Any:
    """An array of `load_pickle` as numpy array or list; anything else as it is."""
    return value.value if isinstance(value, Made) else value


def _skip_header(path: Path, file: Any) -> None:
    version = np.lib.format.read_magic(file)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"version {version} of the npy format")
    _, _, dtype = readers[version](file)
    if dtype != np.dtype(object):
        raise InputError(
            f"{path}: field 'data' is an array of {dtype} from index 0 on, a list of trajectories is needed; "
            "store arrays of numbers as .npz with the keys of docs/datasets.md."
        )


def _type(name: Any, align: Any = False, copy: Any = False) -> Made:
    """A numpy type, in two steps as numpy pickles it: its name, then its byte order."""
    require(isinstance(name, str) and _TYPES.fullmatch(name) is not None, "an array of an unknown type")
    return Made(np.dtype(name), _ordered)


def _ordered(kind: np.dtype, state: tuple[Any, ...]) -> np.dtype:
    order, parts = state[1], state[2:5]
    plain_type = isinstance(order, str) and order in tuple("<>=|") and all(part is None for part in parts)
    require(plain_type, "a structured type in an array")
    return kind if order == "|" else kind.newbyteorder(order)


def _is_type(kind: Any) -> bool:
    return isinstance(kind, Made) and isinstance(kind.value, np.dtype)


def _reconstruct(kind: Any, shape: Any, code: Any) -> Made:
    """An array, in two steps as numpy pickles it: that it is one, then its content."""
    require(kind is _no_call, "an array of unknown kind")
    return Made(None, _filled)


def _filled(_: None, state: tuple[Any, ...]) -> Any:
    _, shape, kind, by_columns, content = state
    return _array(content, kind, shape, "F" if by_columns else "C")


def _array(content: Any, kind: Any, shape: Any, order: Any) -> Any:
    known = _is_type(kind) and isinstance(shape, tuple) and len(shape) <= _MOST_DIMENSIONS
    require(known, "an array of unknown type or shape")
    require(all(type(size) is int and 0 <= size < 2**63 for size in shape), "an array of impossible shape")
    count = math.prod(shape)
    if kind.value == np.dtype(object):
        fits = isinstance(content, list) and len(content) == count
        require(fits, "an array of objects of impossible shape")
        return content if shape else content[0]
    if isinstance(content, str):  # Python 2
        content = content.encode("latin1")
    whole = isinstance(content, bytes) and len(content) == count * kind.value.itemsize
    require(whole, f"an array of shape {shape} with other bytes")
    return np.frombuffer(content, kind.value).reshape(shape, order="F" if order == "F" else "C")


def _from_buffer(content: Any, kind: Any, shape: Any, order: Any) -> Made:
    return Made(_array(content, kind, shape, order), _filled)


def _scalar(kind: Any, content: Any = b"") -> Any:
    require(_is_type(kind) and kind.value != np.dtype(object), "a scalar of unknown type")
    return _array(content, kind, (), "C")[()]


def _no_call(*arguments: Any) -> None:
    require(False, "an array without content")


def _no_bytes(*arguments: Any) -> bytes:
    require(not arguments, "bytes made of something")
    return b""


def _of_pairs(pairs: Any = ()) -> dict[Any, Any]:
    are_pairs = all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs)
    require(are_pairs, "a dictionary of something else than pairs")
    return dictionary([value for pair in pairs for value in pair])


def _encode(text: Any, encoding: Any = "") -> bytes:
    known = isinstance(text, str) and isinstance(encoding, str) and encoding == "latin1"
    require(known, "an encoding other than latin1")
    return text.encode("latin1")


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _no_call,
    ("numpy", "dtype"): _type,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,  # how old protocols write that there are none
    ("builtins", "bytes"): _no_bytes,
    ("collections", "OrderedDict"): _of_pairs,
}
for _core in ("numpy.core", "numpy._core"):
    _ALLOWED[f"{_core}.multiarray", "_reconstruct"] = _reconstruct
    _ALLOWED[f"{_core}.multiarray", "scalar"] = _scalar
    _ALLOWED[f"{_core}.numeric", "_frombuffer"] = _from_buffer
