"""How every command ends: 0 done, 2 wrong input, 3 bad numbers, 75 stopped and can go on, 130 interrupted."""

import functools
import logging
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from absl import app, flags
from absl import logging as absl_logging

from rankq_jax.cli.compilation import keep_programs
from rankq_jax.errors import InputError, NumericsError, Stopped, suggestion
from rankq_jax.training import stopping

INTERRUPTED = 130


def _fail(message: str, status: int) -> NoReturn:
    stopping.end(f"error: {message}", status)


def parse(arguments: list[str]) -> list[str]:
    """Parses the flags of a command line; returns its other words, the first of which is the command.

    Raises:
      InputError: if a flag or a field of the configuration is unknown or has a wrong value.
    """
    try:
        # Fields of a configuration are words of the one flag `config`, which `configs.read` reads.
        return flags.FLAGS([re.sub(r"^--?config\.", "--config=.", word) for word in arguments])
    except flags.UnrecognizedFlagError as error:
        name, known = error.flagname, [name for name in flags.FLAGS if name not in ("?", "help")]
        raise InputError(f"unknown flag --{name}.{suggestion(name, known)}") from error
    except flags.Error as error:
        raise InputError(str(error)) from error


def no_more(arguments: list[str]) -> None:
    """Refuses words on the command line that belong to no flag.

    Raises:
      InputError: if there are any.
    """
    if arguments:
        raise InputError(f"unexpected argument {arguments[0]!r}; values go to flags, --name=value.")


def _unraisable(tell: Callable[[Any], object], found: Any) -> None:
    """Tells an error that nobody can catch, and does at once what it asks for.

    Ctrl-C may come while Python runs a callback of its garbage collector or a destructor, which pass no error
    on: it would be printed, and forgotten.

    Not told are errors of files of a checkpoint of which one has failed. Orbax reads and writes them at the
    same time, and waits for none after the first that fails, which is raised. The others then find nobody to
    report to.
    """
    if isinstance(found.exc_value, KeyboardInterrupt):
        _fail("interrupted", INTERRUPTED)
    if not (isinstance(found.exc_value, RuntimeError) and str(found.exc_value) == "Event loop is closed"):
        tell(found)


def _told(record: logging.LogRecord) -> bool:
    """Whether a line of a log reaches the user. What orbax says of a checkpoint is one line here; asyncio
    speaks of the files of one that has failed."""
    return "orbax" not in Path(record.pathname).parts and record.name != "asyncio"


def own_flags(*modules: str) -> None:
    """Refuses given flags that a module has brought along: of another command, or of a library.

    Args:
      *modules: names of those whose flags the command reads.

    Raises:
      InputError: names the flag.
    """
    defined = flags.FLAGS.flags_by_module_dict()
    mine = {flag.name for name in modules for flag in defined.get(name, ())}
    for module, foreign in defined.items():
        for flag in foreign:
            unknown = flag.name not in mine and not flag.name.startswith("config.")
            if unknown and flag.present and not module.startswith("absl."):
                hint = suggestion(flag.name, mine)
                raise InputError(f"--{flag.name}: no flag of this command; leave it out.{hint}")


def run(main: Callable[[list[str]], None], *modules: ModuleType) -> None:
    """Parses the flags, runs `main` on the other words and exits with the status of the outcome.

    Args:
      main: of the module that was started.
      *modules: further ones whose flags the command reads.
    """
    absl_logging.set_verbosity(absl_logging.WARNING)
    absl_logging.get_absl_handler().addFilter(_told)
    sys.unraisablehook = functools.partial(_unraisable, sys.unraisablehook)

    def start(words: list[str]) -> None:
        own_flags(sys.argv[0], main.__module__, *(module.__name__ for module in modules))
        keep_programs()
        main(words[1:])

    try:
        app.run(start, flags_parser=parse)
    except (InputError, NumericsError) as error:
        _fail(str(error), error.exit_status)
    except OSError as error:
        # Disks and permissions: whatever could be foreseen has its own message.
        place = error.filename or "the disk"
        _fail(f"{place}: {error.strerror or error}; free it or choose another.", InputError.exit_status)
    except Stopped as request:
        stopping.end(f"stopped: {request}", request.exit_status)
    except KeyboardInterrupt:
        _fail("interrupted", INTERRUPTED)
