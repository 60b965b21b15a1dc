"""The value that a text on the command line means for a field."""

import ast
import contextlib
from typing import Any

from rankq_jax.bounds import Either, Flag, Interval, Many, OneOf, Text
from rankq_jax.configs.fields import Field

TRUE, FALSE = ("true", "t", "1"), ("false", "f", "0")


def read_value(text: str, field: Field) -> Any:
    """`text` as the kind of value that the field has; itself where it means none, which the bound refuses."""
    kind = type(field.bound)
    if kind in (OneOf, Text):
        return text
    if kind is Flag:
        lower = text.lower()
        return lower in TRUE if lower in TRUE + FALSE else text
    if kind is Many:
        found = _literal(text)
        return tuple(found) if isinstance(found, list) else (found,) if isinstance(found, int) else found
    if kind in (Interval, Either):
        return _number(text, whole=getattr(field.bound, "integer", False))
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
