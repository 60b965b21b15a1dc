"""The words of a command line become a configuration: `--config=NAME:TASK[,WORD]`, `--config.FIELD=VALUE`."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from absl import flags
from ml_collections import config_flags

from rankq_jax.configs import located
from rankq_jax.errors import InputError, one_line, suggestion

# What ml_collections says of a value of another type: field, value, type.
CAST = r"override field '([^']+)'[^.]*\. (.{1,60}).* is of original type .* to type <class '([\w.]+)'>"
MISSING = "--config: missing; give --config=NAME:TASK, e.g. --config=rankq:pointmaze-umaze."


class Resolved(NamedTuple):
    """A configuration.

    Attributes:
      config: all of its fields.
      given: names of those that the command line sets.
      sources: where the value of each field comes from.
      fresh: the configuration without what the command line sets.
    """

    config: Any
    given: list[str]
    sources: dict[str, str]
    fresh: Any


def read(words: Sequence[str]) -> Resolved:
    """The configuration that words name and change.

    Raises:
      InputError: if it is missing, or a field is unknown or has a value of another type; one line.
    """
    own = flags.FlagValues()
    line = ["rankq", *(_located(word) for word in words)]
    holder: Any = config_flags.DEFINE_config_file(
        "config", None, "", flag_values=own, lock_config=True, sys_argv=line
    )
    if not any(word.startswith("--config=") for word in words):
        raise InputError(MISSING)
    known: Any = own["config"]
    try:
        own(line)
        fields(holder.value)  # a missing file is noticed at first use
        fresh = known.parser.parse(known.config_filename)
    except flags.UnrecognizedFlagError as error:
        name = error.flagname.removeprefix("config.")
        near = suggestion(name, fields(known.value)) if known.value is not None else ""
        raise InputError(f"unknown configuration field --config.{name}.{near}") from error
    except (AttributeError, KeyError) as error:
        # ml_collections: a field that a locked configuration does not have.
        message = str(error).strip("\"'")
        found = re.search(r"[Dd]id you mean ['\"]([^'\"]+)['\"]", message)
        hint = f" Did you mean {found[1]!r}?" if found else f" {message}"
        given = [word.split("=")[0] for word in words if word.startswith("--config.")]
        every = fields(known.value) if known.value else []
        wrong = [name for name in given if name.removeprefix("--config.") not in every]
        raise InputError(f"unknown configuration field {', '.join(wrong or given)}.{hint}") from error
    except (flags.Error, TypeError, ValueError, OSError, SyntaxError, ImportError) as error:
        raise InputError(_cause(error)) from error
    given = config_flags.get_override_values(known)
    file = known.config_filename
    sources = {name: f"--config={file}" for name in fields(holder.value)} | {
        name: f"--config.{name}" for name in given
    }
    return Resolved(holder.value, list(given), sources, fresh)


def fields(config: Any, prefix: str = "") -> list[str]:
    """The names of all fields and sections, with dots."""
    names = []
    for key, value in config.items():
        names.append(prefix + key)
        if hasattr(value, "items"):
            names.extend(fields(value, f"{prefix}{key}."))
    return names


def _rows(resolved: Resolved) -> list[tuple[str, str, str]]:
    """Name, value and source of each field that is no section."""
    rows = []
    for name in fields(resolved.config):
        value = resolved.config
        for key in name.split("."):
            value = value[key]
        if not hasattr(value, "items"):
            rows.append((name, repr(value), resolved.sources.get(name, "")))
    return rows


def describe(resolved: Resolved) -> str:
    """Every field of a configuration with its value, for `--help`."""
    return "\n".join(f"  --config.{name}={value}" for name, value, _ in _rows(resolved))


def show(resolved: Resolved) -> str:
    """Every field with its value and where that comes from."""
    return "\n".join(f"{name} = {value}  # {source}" for name, value, source in _rows(resolved))


def _located(word: str) -> str:
    return "--config=" + located(word.removeprefix("--config=")) if word.startswith("--config=") else word


def _cause(error: BaseException) -> str:
    """What went wrong while a configuration was read, without what was wrapped around it."""
    # ml_collections puts the whole inner traceback into the message; its last line is the error.
    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    wrong = re.search(CAST, str(error), re.DOTALL)
    if wrong:
        return f"--config: field {wrong[1]!r} is {one_line(wrong[2])}, which is no {wrong[3]}."
    message = lines[-1].strip().removeprefix(f"{InputError.__module__}.{InputError.__name__}: ")
    if isinstance(error, OSError):
        return f"--config: {message}; give the name of a configuration, e.g. rankq."
    return message
