"""Sets of values, declared beside an argument or a field with `typing.Annotated`.

`Rate` in place of `float` says that a number must be finite and in (0, 1]. `arguments.checked`
makes a function refuse other values, and a configuration reads the same annotations.
"""

import math
import numbers
import typing
from collections.abc import Collection, Sequence
from typing import Annotated, Any, NamedTuple, Protocol

from rankq_jax.errors import suggestion

FEW = 8  # names that a refusal lists even where it knows the nearest


class Bound(Protocol):
    """A set of values."""

    def refusal(self, value: Any) -> str:
        """What is wrong with `value`, e.g. `must be at least 1`; empty if it is in the set."""


def _number(value: Any) -> Any:
    """`value` as a Python number, or None if it is none. Arrays without axes are numbers, bools are none."""
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = value.item()
    return None if isinstance(value, bool) or not isinstance(value, numbers.Real) else value


class Interval(NamedTuple):
    """Finite numbers between two ends.

    Attributes:
      low: the least value.
      high: the largest value.
      above: `low` itself is left out.
      below: `high` itself is left out.
      integer: whole numbers of a type of whole numbers; else an integer is a number too.
    """

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False
    integer: bool = False

    def refusal(self, value: Any) -> str:
        """See `Bound`."""
        number = _number(value)
        if number is None or (self.integer and not isinstance(number, numbers.Integral)):
            return f"must be a {'whole ' if self.integer else ''}number"
        small = not number >= self.low or (self.above and number == self.low) or number == -math.inf
        large = number > self.high or (self.below and number == self.high) or number == math.inf
        if not small and not large:
            return ""
        low, high = math.isfinite(self.low), math.isfinite(self.high)
        if not low and not high:
            return "must be a finite number"
        if low and high and (self.above or self.below):
            return f"must be in {self.ends}"
        if small and low:
            return f"must be {'greater than' if self.above else 'at least'} {self.low:.10g}"
        if large and high:
            return f"must be {'less than' if self.below else 'at most'} {self.high:.10g}"
        return "must be finite"

    @property
    def ends(self) -> str:
        """The interval in the notation of mathematics, e.g. `(0, 1]`."""
        left = "(" if self.above or math.isinf(self.low) else "["
        right = ")" if self.below or math.isinf(self.high) else "]"
        return f"{left}{self.low:.10g}, {self.high:.10g}{right}"


class OneOf(NamedTuple):
    """Strings of a collection, which may grow later.

    Attributes:
      known: the strings.
      noun: what they name.
      empty: whether the empty string is a value too.
      more: a sentence on how further ones come, after a blank.
    """

    known: Collection[str]
    noun: str = "value"
    empty: bool = False
    more: str = ""

    def refusal(self, value: Any) -> str:
        """See `Bound`."""
        if isinstance(value, str) and (value in self.known or (self.empty and not value)):
            return ""
        names = list(self.known)
        hint = suggestion(str(value), names)
        if len(names) <= FEW:
            near = hint if "Did you mean" in hint else ""
            hint = f"{near} It must be one of {', '.join(names)}"
        return f"unknown {self.noun} {value!r}.{hint}{self.more}"


class Text(NamedTuple):
    """Strings of one printable line, of at most `most` characters."""

    most: int = 4096

    def refusal(self, value: Any) -> str:
        """See `Bound`."""
        if not isinstance(value, str):
            return "must be a string"
        if len(value) > self.most:
            return f"must be a text of at most {self.most} characters"
        return "" if not value or value.isprintable() else "must be one line of printable characters"


class Flag(NamedTuple):
    """True and False; no number is one."""

    def refusal(self, value: Any) -> str:
        """See `Bound`."""
        value = value.item() if getattr(value, "ndim", None) == 0 else value
        return "" if isinstance(value, bool) else "must be True or False"


class Many(NamedTuple):
    """Tuples and lists of at most `most` entries, each within the bound `each`."""

    each: Bound
    most: int

    def refusal(self, value: Any) -> str:
        """See `Bound`."""
        if not isinstance(value, tuple | list):
            return "must be a tuple"
        if len(value) > self.most:
            return f"must have at most {self.most} entries"
        wrong = ((entry, self.each.refusal(entry)) for entry in value)
        return next((f"has {entry!r}, which {why}" for entry, why in wrong if why), "")


class Either(NamedTuple):
    """Values of any of several bounds; `words` say after `must be` what they are."""

    bounds: tuple[Bound, ...]
    words: str

    def refusal(self, value: Any) -> str:
        """See `Bound`."""
        return "" if any(not one.refusal(value) for one in self.bounds) else f"must be {self.words}"


class Optional(NamedTuple):
    """The values of a bound, and None."""

    bound: Bound

    def refusal(self, value: Any) -> str:
        """See `Bound`."""
        return "" if value is None else self.bound.refusal(value)


# Arithmetic is float32: beyond 1e6 a number leaves nothing of those that it is added to.
Finite = Annotated[float, Interval(-1e6, 1e6)]
Positive = Annotated[float, Interval(0.0, 1e6, above=True)]
NonNegative = Annotated[float, Interval(0.0, 1e6)]
UnitInterval = Annotated[float, Interval(0.0, 1.0)]
OpenUnitInterval = Annotated[float, Interval(0.0, 1.0, above=True, below=True)]
Dropout = Annotated[float, Interval(0.0, 1.0, below=True)]  # a share that is thrown away, never all
Rate = Annotated[float, Interval(0.0, 1.0, above=True)]  # share of the new in a moving average
# Of an exponential. Below 1e-4 the exponent of most differences overflows or vanishes in float32.
Temperature = Annotated[float, Interval(1e-4, 1e4)]
# Standard deviations in units of the action range [-1, 1]: at 10 nine of ten actions lie at its ends.
Noise = Annotated[float, Interval(0.0, 10.0)]
# Counts are int32 where they are part of a state.
Count = Annotated[int, Interval(1, 2**31 - 1, integer=True)]
Whole = Annotated[int, Interval(0, 2**31 - 1, integer=True)]
Samples = Annotated[int, Interval(1, 1000, integer=True)]  # drawn for each row of a batch
Members = Annotated[int, Interval(1, 1000, integer=True)]  # of an ensemble; the largest published has 500
Switch = Annotated[bool, Flag()]
Widths = Annotated[Sequence[int], Many(Interval(1, 65_536, integer=True), 64)]  # of hidden layers


def bound_of(annotation: Any) -> Bound | None:
    """The bound that an annotation carries, or None."""
    return next((x for x in getattr(annotation, "__metadata__", ()) if hasattr(x, "refusal")), None)


def refuse(name: str, value: Any, bound: Bound) -> None:
    """Refuses a value that is out of its bound.

    Raises:
      ValueError: `name=value must be ...`, one line.
    """
    why = bound.refusal(value)
    if why:
        raise ValueError(told(name, value, why))


def refuse_type(name: str, value: Any, kind: type, advice: str = "") -> None:
    """Refuses a value of another type.

    Args:
      name: of the argument.
      value: its value.
      kind: the type that it must have.
      advice: what to give; the first sentence about the type if left out.

    Raises:
      TypeError: one line, `name: is a str, not a Task; ...`.
    """
    if not isinstance(value, kind):
        advice = advice or f"{kind.__name__} is: {(kind.__doc__ or '').partition('.')[0].lower()}"
        raise TypeError(f"{name}: is of type {type(value).__name__}, not {kind.__name__}; {advice}.")


def told(name: str, value: Any, why: str) -> str:
    """`name=value why` in one line; the value is cut where it is long, and left out where `why` has it."""
    if why.startswith("unknown "):
        return f"{name}: {why}"
    if isinstance(value, int) and value.bit_length() > 200:  # Python refuses to write very long ones
        shown = f"(a number of {value.bit_length()} bits)"
    else:
        shown = value if isinstance(value, str) and value.isprintable() else repr(value)
    return f"{name}={shown if len(shown) <= 60 else shown[:57] + '...'} {why}"


def refuse_fields(record: Any) -> None:
    """Refuses a NamedTuple with a field that is out of its bound; fields without one are passed over.

    Raises:
      ValueError: as `refuse`.
    """
    for name, hint in typing.get_type_hints(type(record), include_extras=True).items():
        if (bound := bound_of(hint)) is not None:
            refuse(name, getattr(record, name), bound)
