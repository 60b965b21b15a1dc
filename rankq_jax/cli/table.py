"""A Markdown document about several finished runs: one section per task, one row per run.

rankq table --out=docs/results/pointmaze.md WORKDIR [WORKDIR ...]
"""

import argparse
import os
import platform
import shlex
from pathlib import Path

from rankq_jax.analysis import comparison, tables
from rankq_jax.errors import InputError
from rankq_jax.writers import write_text


def write(out: Path, workdirs: list[Path], command: str, reference: str, notes: list[str]) -> None:
    """Writes the document about finished runs of one or several tasks.

    Args:
      out: Markdown file.
      workdirs: of the runs, in the order of the rows.
      command: that made the runs.
      reference: name of the run that the others are compared with.
      notes: remarks under the tables.

    Raises:
      InputError: if a run has not finished or is there twice, budgets differ within a task, or `out` cannot
        be written to.
    """
    if not out.name:
        raise InputError(f"--out={out}: names no file.")
    runs = [comparison.finished(folder) for folder in workdirs]
    machine = f"{platform.machine()} with {os.cpu_count()} cores"
    text = tables.document(runs, command, reference, notes, machine)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_text(out, text)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror}).") from error


def main(values: argparse.Namespace) -> None:
    """Writes the tables of the runs that are given."""
    command = values.origin or shlex.join(values.command)
    write(values.out, values.workdirs, command, values.reference, values.note)
    print(f"table: {values.out}")
