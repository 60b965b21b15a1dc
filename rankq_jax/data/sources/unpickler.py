"""A reader of pickles that runs nothing, and takes no more memory than the file has grounds for."""

import io
import pickle
import struct
import sys
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, ClassVar

from rankq_jax.data.sources.limits import Budget
from rankq_jax.errors import InputError

_LARGEST_KEY = 2**60  # below, different numbers have different hashes
_OBJECT = 100  # bytes, about, that a list, an entry of the memo or a call takes
_PLAIN = (
    "STOP POP POP_MARK DUP FRAME PROTO NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 "
    "FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8 UNICODE "
    "BINUNICODE SHORT_BINUNICODE BINUNICODE8 GLOBAL STACK_GLOBAL GET BINGET LONG_BINGET REDUCE BUILD APPEND "
    "APPENDS SETITEM SETITEMS"
)
_COUNTED = (
    "MARK EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST LIST EMPTY_DICT DICT PUT BINPUT LONG_BINPUT "
    "MEMOIZE"
)


def require(holds: bool, otherwise: str) -> None:
    """Refuses a pickle.

    Raises:
      UnpicklingError: unless a condition holds; says what is there otherwise.
    """
    if not holds:
        raise pickle.UnpicklingError(otherwise)


class Made:
    """A value that a pickle makes in two steps: `finish(value, state)` is its value after the second one."""

    __slots__ = ("finish", "value")

    def __init__(self, value: Any, finish: Callable[[Any, tuple[Any, ...]], Any]):
        self.value, self.finish = value, finish


class Unpickler(pickle._Unpickler):
    """Python's own reader, with the instructions that lists and dictionaries of arrays need, and no others.

    It is the reader written in Python: the one in C reserves what a file declares before it looks for it.
    Values can be nested and repeated as a file likes. So no value of unknown type is compared here, or asked
    for its hash or text, which would follow every repetition; keys are text or whole numbers.
    """

    dispatch: ClassVar[dict[int, Callable[..., Any]]] = {}
    # What the reader makes of itself while it reads.
    stack: list[Any]
    append: Callable[[Any], None]
    read: Callable[[int], bytes]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, data: bytes, allowed: Mapping[tuple[str, str], FunctionType], budget: Budget):
        super().__init__(io.BytesIO(data), encoding="latin1")  # what Python 2 wrote
        self._allowed, self._budget = allowed, budget

    def find_class(self, module: str, name: str, /) -> Any:
        """The function that stands for a name; nothing but a function is ever called.

        Raises:
          InputError: if none does.
        """
        if (module, name) not in self._allowed:
            raise InputError(
                f"{self._budget.source}: field 'data' names {module[:80]}.{name[:80]}, which is not opened "
                "because a pickle can run code; ask for a file of plain arrays."
            )
        return self._allowed[module, name]

    def _count(self, values: tuple[Any, ...]) -> None:
        """Text and bytes that a call may copy, each time that it is made with them."""
        copied = sum(len(value) for value in values if isinstance(value, str | bytes))
        self._budget.spend("data", _OBJECT + copied)

    def load_bytearray8(self) -> None:
        """Bytes that can be changed, as bytes that cannot."""
        (size,) = struct.unpack("<Q", self.read(8))
        # What is there is read; a reserved array would be as long as declared.
        content = self.read(min(size, sys.maxsize))
        require(len(content) == size, "bytes that are not there")
        self.append(content)

    def load_reduce(self) -> None:
        """A call."""
        arguments, function = self.stack.pop(), self.stack.pop()
        require(isinstance(function, FunctionType) and isinstance(arguments, tuple), "a call of no function")
        self._count(arguments)
        self.append(function(*arguments))

    def load_build(self) -> None:
        """The second step of a value."""
        state, made = self.stack.pop(), self.stack[-1]
        require(isinstance(made, Made) and isinstance(state, tuple), "a change of what is no array")
        self._count(state)
        made.value = made.finish(made.value, state)

    def _put(self, items: list[Any]) -> None:
        require(isinstance(self.stack[-1], dict), "entries of what is no dictionary")
        self.stack[-1].update(dictionary(items))

    def load_setitem(self) -> None:
        """An entry of a dictionary."""
        value, key = self.stack.pop(), self.stack.pop()
        self._put([key, value])

    def load_setitems(self) -> None:
        """Entries of a dictionary."""
        self._put(self.pop_mark())

    def load_dict(self) -> None:
        """A dictionary with its entries."""
        made = dictionary(self.pop_mark())
        self.append(made)  # `pop_mark` has changed what this appends to


def dictionary(items: list[Any]) -> dict[Any, Any]:
    """Keys and values in turn as a dictionary; keys are text or moderate whole numbers."""
    for key in items[::2]:
        known = type(key) is str or (type(key) is int and abs(key) < _LARGEST_KEY)
        require(known, "a dictionary whose keys are neither text nor whole numbers")
    return dict(zip(items[::2], items[1::2], strict=True))


def _counted(load: Callable[[Any], None]) -> Callable[[Any], None]:
    def counted(self: Unpickler) -> None:
        self._budget.spend("data", _OBJECT)
        load(self)

    return counted


def _own(name: str) -> tuple[int, Callable[[Any], None]]:
    code = getattr(pickle, name)[0]
    return code, getattr(Unpickler, pickle._Unpickler.dispatch[code].__name__)


Unpickler.dispatch |= dict(map(_own, _PLAIN.split()))
Unpickler.dispatch |= {code: _counted(load) for code, load in map(_own, _COUNTED.split())}
