"""What the training command would say about jobs before it trains: asked once for all of them.

The configurations need jax, which no launcher imports, so that a subprocess reads them.
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from rankq_jax.errors import InputError

IMPORTS: list[str] = []  # flags that every question has: what a sweep's own packages are imported by

MODULE = "rankq_jax.cli.resolve"


@contextlib.contextmanager
def importing(flags: Sequence[str]) -> Iterator[None]:
    """Inside, configurations are read after the packages that `--import` flags name."""
    IMPORTS.extend(flags)
    try:
        yield
    finally:
        del IMPORTS[len(IMPORTS) - len(flags) :]


def resolved(flags: Sequence[Sequence[str]], build: bool) -> list[dict[str, Any]]:
    """Reads the configurations of runs, given by their flags.

    Args:
      flags: of the training command, for each run.
      build: whether to build networks and phases too.

    Returns:
      For each run `{"error": one line}`, or `{"sections": names, "read": names}`: the sections of algorithms,
      and those that a phase of the run reads.

    Raises:
      InputError: if there is no answer.
    """
    if not flags:
        return []
    asked = json.dumps({"build": build, "jobs": [[*IMPORTS, *words] for words in flags]})
    # No accelerator is needed, and another process may hold it.
    variables = {**os.environ, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-m", MODULE], input=asked, capture_output=True, text=True, env=variables
    )
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    if done.returncode:
        raise InputError(f"{MODULE}: ended with status {done.returncode} ({lines[-1] if lines else ''}).")
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found
