"""The value that a text on the command line means, by the bound of the values."""

import ast
import contextlib
from typing import Any

from rankq_jax.bounds.values import Bound, Either, Flag, Interval, Many, OneOf, Text

FLAGS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


def read(text: str, bound: Bound | None) -> Any:
    """`text` as the kind of value that a bound has; itself where it means none, which the bound refuses."""
    match bound:
        case OneOf() | Text():
            return text
        case Flag():
            return FLAGS.get(text.lower(), text)
        case Interval() | Either():
            return _number(text, whole=isinstance(bound, Interval) and bound.integer)
        case Many():
            found = _literal(text)
            return tuple(found) if isinstance(found, list) else (found,) if isinstance(found, int) else found
    return _literal(text)


def _number(text: str, whole: bool) -> Any:
    if whole:
        with contextlib.suppress(ValueError):
            return int(text, 0)
    with contextlib.suppress(ValueError):
        return float(text)
    return text


def _literal(text: str) -> Any:
    with contextlib.suppress(ValueError, SyntaxError, MemoryError, RecursionError):
        return ast.literal_eval(text)
    return text
