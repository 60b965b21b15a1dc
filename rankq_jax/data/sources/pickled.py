"""Pickles of plain numbers, read without running what is in them.

A pickle names functions that its reader is to call. Here the few names that numpy arrays need stand for
functions of this file, which build arrays from bytes and do nothing else; every other name is refused.
Numpy's own functions are not called, because they trust the description of an array that the file gives.
"""

import math
import pickle
import re
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from rankq_jax.data.sources.containers import cause
from rankq_jax.data.sources.limits import Budget
from rankq_jax.data.sources.unpickler import Changeable, Function, Unpickler, dictionary
from rankq_jax.errors import InputError

_TYPES = re.compile(r"[biufcSU]\d+|b|O8?|\?")
_ORDERS = "<>=|"
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
    return value.value if isinstance(value, _Array) else value


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


class _Type(Changeable):
    """A numpy type, in two steps as numpy pickles it: its name, then its byte order."""

    __slots__ = ("value",)

    def __init__(self, name: Any):
        if not (isinstance(name, str) and _TYPES.fullmatch(name)):
            raise pickle.UnpicklingError("an array of an unknown type")
        self.value = np.dtype(name)

    def change(self, state: tuple[Any, ...]) -> None:
        order, parts = state[1], state[2:5]
        if not (isinstance(order, str) and order in tuple(_ORDERS)) or any(
            part is not None for part in parts
        ):
            raise pickle.UnpicklingError("a structured type in an array")
        self.value = self.value if order == "|" else self.value.newbyteorder(order)  # type: ignore[arg-type]


class _Array(Changeable):
    """An array, in two steps as numpy pickles it: that it is one, then its content."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: Any = None

    def change(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, by_columns, content = state
        self.value = _array(content, kind, shape, "F" if by_columns else "C")


def _array(content: Any, kind: Any, shape: Any, order: Any) -> Any:
    if not isinstance(kind, _Type) or not isinstance(shape, tuple) or len(shape) > _MOST_DIMENSIONS:
        raise pickle.UnpicklingError("an array of unknown type or shape")
    if any(type(size) is not int or not 0 <= size < 2**63 for size in shape):
        raise pickle.UnpicklingError("an array of impossible shape")
    if kind.value == np.dtype(object):
        if not isinstance(content, list) or len(content) != math.prod(shape):
            raise pickle.UnpicklingError("an array of objects of impossible shape")
        return content if shape else content[0]
    if isinstance(content, str):  # Python 2
        content = content.encode("latin1")
    if not isinstance(content, bytes) or len(content) != math.prod(shape) * kind.value.itemsize:
        raise pickle.UnpicklingError(f"an array of shape {shape} with other bytes")
    return np.frombuffer(content, kind.value).reshape(shape, order="F" if order == "F" else "C")


def _reconstruct(kind: Any, shape: Any, code: Any) -> _Array:
    if kind is not _NDARRAY:
        raise pickle.UnpicklingError("an array of unknown kind")
    return _Array()


def _from_buffer(content: Any, kind: Any, shape: Any, order: Any) -> _Array:
    array = _Array()
    array.value = _array(content, kind, shape, order)
    return array


def _scalar(kind: Any, content: Any = b"") -> Any:
    if not isinstance(kind, _Type) or kind.value == np.dtype(object):
        raise pickle.UnpicklingError("a scalar of unknown type")
    return _array(content, kind, (), "C")[()]


def _no_call(*arguments: Any) -> NoReturn:
    raise pickle.UnpicklingError("an array without content")


def _no_bytes(*arguments: Any) -> bytes:
    if arguments:
        raise pickle.UnpicklingError("bytes made of something")
    return b""


def _ordered(pairs: Any = ()) -> dict[Any, Any]:
    if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
        raise pickle.UnpicklingError("a dictionary of something else than pairs")
    return dictionary([value for pair in pairs for value in pair])


def _encode(text: Any, encoding: Any = "") -> bytes:
    if not (isinstance(text, str) and isinstance(encoding, str) and encoding == "latin1"):
        raise pickle.UnpicklingError("an encoding other than latin1")
    return text.encode("latin1")


_NDARRAY = Function(_no_call)
_ALLOWED = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): Function(lambda name, align=False, copy=False: _Type(name)),
    ("_codecs", "encode"): Function(_encode),
    ("__builtin__", "bytes"): Function(_no_bytes),  # how old protocols write that there are none
    ("builtins", "bytes"): Function(_no_bytes),
    ("collections", "OrderedDict"): Function(_ordered),
} | {
    (f"numpy.{core}.{module}", name): function
    for core in ("core", "_core")
    for module, name, function in (
        ("multiarray", "_reconstruct", Function(_reconstruct)),
        ("multiarray", "scalar", Function(_scalar)),
        ("numeric", "_frombuffer", Function(_from_buffer)),
    )
}
