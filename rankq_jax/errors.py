"""What a run ends with on purpose, each with its exit status."""

import difflib
from collections.abc import Iterable, MutableMapping
from typing import TypeVar

Value = TypeVar("Value")


class InputError(ValueError):
    """The user's input is wrong. The message is one line: what, where, and what to do."""

    exit_status = 2


class NameTaken(ValueError):
    """A name that is registered belongs to something else already."""


class NumericsError(ArithmeticError):
    """A number that training depends on became NaN or infinite."""

    exit_status = 3


class Stopped(KeyboardInterrupt):
    """The run was asked to stop, and goes on when the same command is given again.

    Like `KeyboardInterrupt` it passes whoever catches every `Exception`, and those who clean up after one.
    """

    exit_status = 75  # EX_TEMPFAIL of sysexits.h: try again


MOST_NAMES = 36  # that one line lists

# What adds the names of other packages. A command replaces it by its flag.
LOAD_PLUGINS = "load_plugins([PACKAGE])"
PLUGINS = f" {LOAD_PLUGINS} adds those of a package, register_{{}} one of your own."


def one_line(error: object) -> str:
    """The text of an error without its line breaks; the name of its type where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def suggestion(name: str, known: Iterable[str]) -> str:
    """` Did you mean 'x'?` for the known name nearest to `name`, else the list of known names.

    Where names continue `name` after a dash, all of them are meant. A long list ends in a number.
    """
    names = sorted(known)
    if longer := [full for full in names if name and full.startswith(f"{name}-")]:
        return f" Did you mean {' or '.join(map(repr, longer))}?"
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f" Did you mean {near[0]!r}?"
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f" Known: {', '.join(names[:MOST_NAMES])}{more}."


def add_name(known: MutableMapping[str, Value], noun: str, name: str, value: Value) -> Value:
    """Adds `value` under `name`; adding the same value again does nothing.

    Args:
      known: what is added to.
      noun: what the names stand for, in the message.
      name: the new name.
      value: what it stands for.

    Returns:
      `value`.

    Raises:
      NameTaken: if the name stands for another value.
    """
    if name in known and known[name] is not value and known[name] != value:
        raise NameTaken(f"{noun} {name!r}: the name belongs to another {noun}; choose another name")
    known.setdefault(name, value)
    return value
