"""Programs that XLA has compiled are kept on disk, so that the next run of the same program starts sooner."""

import os
import sys
from pathlib import Path

import filelock

from rankq_jax.errors import one_line

SECONDS = 0.1  # what took less to compile is not kept
BYTES = 2 * 2**30  # what was not used for longest goes first


def default_folder() -> Path:
    """`$XDG_CACHE_HOME/rankq_jax/xla`, by default below `~/.cache`; not made yet.

    Raises:
      RuntimeError: if the user has no home.
    """
    chosen = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (chosen if chosen.is_absolute() else Path.home() / ".cache") / "rankq_jax" / "xla"


def prepare(folder: Path) -> None:
    """Makes the folder and takes out what an interrupted run left half written."""
    folder.mkdir(parents=True, exist_ok=True)
    # JAX takes the same lock for every access, and writes the time of use after the program: what has none
    # was cut off in the middle, and the eviction would stumble over it in every later run.
    with filelock.FileLock(folder / ".lockfile", timeout=10):
        for program in folder.glob("*-cache"):
            if not program.with_name(program.name.removesuffix("-cache") + "-atime").exists():
                program.unlink()


def keep_programs() -> None:
    """Switches JAX's persistent cache on, for commands that have imported JAX.

    A folder that the user has named (JAX_COMPILATION_CACHE_DIR) stays as it is, without a limit of size. A
    default folder that cannot be written to costs a line of warning and the cache, no more.
    """
    if "jax" not in sys.modules:
        return  # a table compiles nothing, and should not wait for the import
    import jax

    if not jax.config.jax_enable_compilation_cache:  # type: ignore[attr-defined]
        return
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", SECONDS)
    if jax.config.jax_compilation_cache_dir is not None:  # type: ignore[attr-defined]
        return
    try:
        folder = default_folder()
        prepare(folder)
    except (OSError, RuntimeError, NotImplementedError) as error:
        print(
            f"warning: compiled programs are not kept ({one_line(error)}); set XDG_CACHE_HOME.",
            file=sys.stderr,
        )
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    if "JAX_COMPILATION_CACHE_MAX_SIZE" not in os.environ:
        jax.config.update("jax_compilation_cache_max_size", BYTES)
