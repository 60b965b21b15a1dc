"""Pickles of plain numbers, read without running what is in them.

A pickle names functions that its reader is to call. Here the few names that numpy arrays need stand for
functions of this file, which build arrays from bytes and do nothing else; every other name is refused.
Numpy's own functions are not called, because they trust the description of an array that the file gives.
"""

import io
import math
import pickle
import pickletools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from rankq_jax.data.sources.containers import cause
from rankq_jax.errors import InputError

_TYPES = re.compile(r"[biufcSU]\d+|b|O8?|\?")
_ORDERS = "<>=|"
_MOST_DIMENSIONS = 8


def load_pickle(path: Path) -> Any:
    """What a `.npy` file of objects or a plain pickle holds: lists, dictionaries and arrays of numbers.

    Arrays of objects become flat lists.

    Args:
      path: of the file.

    Raises:
      InputError: if there is no such file, it is damaged, or it names anything but what arrays of numbers
        need; nothing that it names is run.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path.")
    try:
        with path.open("rb") as file:
            if path.suffix == ".npy":
                _skip_header(path, file)
            data = file.read()
        _check_memory(data)
        return plain(_Unpickler(path, io.BytesIO(data)).load())
    except InputError:
        raise
    except Exception as error:  # damaged bytes come out of pickle and numpy as almost any error
        raise InputError(
            f"{path}: field 'data' cannot be read ({cause(error)}); the file is truncated or damaged, get "
            "it again."
        ) from error


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


def _check_memory(data: bytes) -> None:
    """A pickle numbers its values; a huge number would make the reader reserve memory for all below it."""
    for opcode, argument, place in pickletools.genops(data):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and (argument or 0) > len(data):
            raise ValueError(f"value number {argument} at byte {place} of {len(data)}")


class _Unpickler(pickle.Unpickler):
    def __init__(self, path: Path, file: io.BytesIO):
        super().__init__(file, encoding="latin1")  # what Python 2 wrote
        self._path = path

    def find_class(self, module: str, name: str, /) -> Any:
        if (module, name) not in _ALLOWED:
            raise InputError(
                f"{self._path}: field 'data' names {module}.{name}, which is not opened because a pickle can "
                "run code; ask for a file of plain arrays."
            )
        return _ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> NoReturn:
        raise pickle.UnpicklingError("refers to something outside of the file")


class _Function:
    """What a name in a pickle stands for: it can be called and nothing else, above all not changed."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]):
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, state: Any) -> NoReturn:
        raise pickle.UnpicklingError("changes a function")


class _Type:
    """A numpy type, in two steps as numpy pickles it: its name, then its byte order."""

    __slots__ = ("value",)

    def __init__(self, name: Any):
        if not (isinstance(name, str) and _TYPES.fullmatch(name)):
            raise pickle.UnpicklingError(f"type {str(name)[:20]!r} in an array")
        self.value = np.dtype(name)

    def __setstate__(self, state: Any) -> None:
        order, parts = state[1], state[2:5]
        if order not in tuple(_ORDERS) or any(part is not None for part in parts):
            raise pickle.UnpicklingError("a structured type in an array")
        self.value = self.value if order == "|" else self.value.newbyteorder(order)


class _Array:
    """An array, in two steps as numpy pickles it: that it is one, then its content."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: Any = None

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, by_columns, content = state
        self.value = _array(content, kind, shape, "F" if by_columns else "C")


def _array(content: Any, kind: Any, shape: Any, order: Any) -> Any:
    if not isinstance(kind, _Type) or not isinstance(shape, tuple) or len(shape) > _MOST_DIMENSIONS:
        raise pickle.UnpicklingError("an array of unknown type or shape")
    if any(type(size) is not int or size < 0 for size in shape):
        raise pickle.UnpicklingError("an array of impossible shape")
    if kind.value == np.dtype(object):
        if not isinstance(content, list) or len(content) != math.prod(shape):
            raise pickle.UnpicklingError("an array of objects of impossible shape")
        return content if shape else content[0]
    if isinstance(content, str):  # Python 2
        content = content.encode("latin1")
    if len(content) != math.prod(shape) * kind.value.itemsize:
        raise pickle.UnpicklingError(f"an array of shape {shape} with {len(content)} bytes")
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


def _encode(text: Any, encoding: Any = "") -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError("an encoding other than latin1")
    return text.encode("latin1")


_NDARRAY = _Function(_no_call)
_ALLOWED = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _Function(lambda name, align=False, copy=False: _Type(name)),
    ("_codecs", "encode"): _Function(_encode),
    ("__builtin__", "bytes"): _Function(_no_bytes),  # how old protocols write that there are none
    ("builtins", "bytes"): _Function(_no_bytes),
    ("collections", "OrderedDict"): _Function(dict),
} | {
    (f"numpy.{core}.{module}", name): function
    for core in ("core", "_core")
    for module, name, function in (
        ("multiarray", "_reconstruct", _Function(_reconstruct)),
        ("multiarray", "scalar", _Function(_scalar)),
        ("numeric", "_frombuffer", _Function(_from_buffer)),
    )
}
