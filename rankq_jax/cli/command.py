"""How every command ends: 0 done, 2 wrong input, 3 bad numbers, 75 stopped and can go on, 130 interrupted."""

import functools
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from rankq_jax.errors import LOAD_PLUGINS, InputError, NumericsError, Stopped
from rankq_jax.training import stopping

INTERRUPTED = 130


def _fail(message: str, status: int) -> NoReturn:
    *others, last = message.splitlines() or [""]
    for line in others:
        print(f"error: {line}", file=sys.stderr)
    stopping.end(f"error: {last}", status)


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


def prepare_logs() -> None:
    """Lets through what users can act on, for commands that have imported JAX: it logs through absl."""
    if "jax" not in sys.modules:
        return
    from absl import flags
    from absl import logging as absl_logging

    from rankq_jax.cli.compilation import keep_programs

    flags.FLAGS.mark_as_parsed()
    absl_logging.use_absl_handler()
    absl_logging.set_verbosity(absl_logging.WARNING)
    absl_logging.get_absl_handler().addFilter(_told)
    keep_programs()


def run(main: Callable[[list[str]], int | None], words: Sequence[str] | None = None) -> int:
    """Runs `main` on the words of the command line; an error ends the process with its status.

    Errors that nobody has foreseen keep their traceback.

    Returns:
      The exit status of what ended well.
    """
    sys.unraisablehook = functools.partial(_unraisable, sys.unraisablehook)
    try:
        prepare_logs()
        status = main(list(sys.argv[1:] if words is None else words)) or 0
        sys.stdout.flush()
        return status
    except (InputError, NumericsError) as error:
        _fail(str(error).replace(LOAD_PLUGINS, "--import=PACKAGE"), error.exit_status)
    except BrokenPipeError:  # `| head`
        os._exit(1)
    except OSError as error:
        # Of a file: disks and permissions. Whatever could be foreseen has its own message.
        if error.filename is None:
            raise
        text = f"{error.filename}: {error.strerror or error}; free the disk or choose another place."
        _fail(text, InputError.exit_status)
    except Stopped as request:
        stopping.end(f"stopped: {request}", request.exit_status)
    except KeyboardInterrupt:
        _fail("interrupted", INTERRUPTED)
