"""How every command ends: 0 done, 2 the input is wrong, 3 the numbers went bad, 130 interrupted."""

import os
import re
import sys
from collections.abc import Callable
from typing import NoReturn

from absl import app, flags, logging

from rankq_jax.errors import InputError, NumericsError, suggestion

INTERRUPTED = 130


def _fail(message: str, status: int) -> NoReturn:
    print(f"error: {' '.join(str(message).split())}", file=sys.stderr, flush=True)
    # Threads of environments and checkpoints must not keep a failed process alive.
    sys.stdout.flush()
    os._exit(status)


def _parse(arguments: list[str]) -> list[str]:
    try:
        return flags.FLAGS(arguments)
    except flags.UnrecognizedFlagError as error:
        known = [name for name in flags.FLAGS if name not in ("?", "help")]
        name = error.flagname
        if name.startswith("config."):
            raise InputError(f"unknown configuration field --{name}.{_near(name)}") from error
        raise InputError(f"unknown flag --{name}.{suggestion(name, known)}") from error
    except (AttributeError, KeyError) as error:
        # ml_collections: a field that a locked configuration does not have.
        message = str(error).strip("\"'")
        found = re.search(r"[Dd]id you mean ['\"]([^'\"]+)['\"]", message)
        hint = f" Did you mean {found[1]!r}?" if found else ""
        field = next((a for a in arguments if a.startswith("--config.")), "--config").split("=")[0]
        raise InputError(f"unknown configuration field in {field}.{hint or ' ' + message}") from error
    except (flags.Error, TypeError, ValueError, OSError) as error:
        cause: BaseException = error
        while not isinstance(cause, InputError) and cause.__context__ is not None:
            cause = cause.__context__
        if isinstance(cause, InputError):
            raise cause from error
        raise InputError(str(error)) from error


def _near(name: str) -> str:
    config = flags.FLAGS["config"].value if "config" in flags.FLAGS else None
    if config is None:
        return " Give --config first."
    return suggestion(name.removeprefix("config."), _fields(config))


def _fields(config: object, prefix: str = "") -> list[str]:
    names = []
    for key, value in config.items():  # type: ignore[attr-defined]
        names.append(prefix + key)
        if hasattr(value, "items"):
            names.extend(_fields(value, f"{prefix}{key}."))
    return names


def no_more(arguments: list[str]) -> None:
    """Refuses words on the command line that belong to no flag.

    Raises:
      InputError: if there are any.
    """
    if arguments:
        raise InputError(f"unexpected argument {arguments[0]!r}; values go to flags, --name=value.")


def run(main: Callable[[list[str]], None]) -> None:
    """Parses the flags, runs `main` on the other words and exits with the status of the outcome."""
    logging.set_verbosity(logging.WARNING)  # orbax tells every step of every checkpoint
    try:
        app.run(lambda words: main(words[1:]), flags_parser=_parse)
    except (InputError, NumericsError) as error:
        _fail(str(error), error.exit_status)
    except KeyboardInterrupt:
        _fail("interrupted", INTERRUPTED)
