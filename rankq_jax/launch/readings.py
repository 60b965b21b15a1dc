"""JSON files of workdirs, whatever lies there: values of another type than they should have are none."""

import json
from pathlib import Path
from typing import Any

LARGEST = 1e15  # of a number; what is beyond is damage


def mapping(path: Path) -> dict[str, Any]:
    """The object in a file; empty if there is none that can be read."""
    try:
        return within(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError):
        return {}


def within(value: object) -> dict[str, Any]:
    """A value that should be a mapping; empty if it is none."""
    return value if isinstance(value, dict) else {}


def number(value: object) -> float | None:
    """A value that should be a finite number; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) <= LARGEST else None  # which NaN is not


def whole(value: object) -> int | None:
    """A value that should be a whole number; None if it is none."""
    found = number(value)
    return found if isinstance(found, int) else None


def text(value: object) -> str | None:
    """A value that should be a text, in one line that every terminal takes; None if it is none."""
    if not isinstance(value, str):
        return None
    return " ".join(value.encode(errors="replace").decode().split())


def texts(value: object) -> list[str] | None:
    """A value that should be a list of texts; None if it is none."""
    return value if isinstance(value, list) and all(isinstance(word, str) for word in value) else None
