"""A Markdown document about several finished runs: one section per task, one row per run.

rankq table --out=docs/results/pointmaze.md WORKDIR [WORKDIR ...]
"""

import argparse
import os
import platform
import shlex
from pathlib import Path

from rankq_jax.analysis import comparison, tables
from rankq_jax.errors import InputError, suggestion
from rankq_jax.training.restore import load_imports
from rankq_jax.writers import write_text

REFERENCE = "rankq"


def write(out: Path, workdirs: list[Path], command: str, reference: str | None, notes: list[str]) -> None:
    """Writes `tables.document` about the runs in `workdirs`; None refers to RankQ, if it is there.

    Raises:
      InputError: if a run has not finished or is there twice, budgets differ within a task, or `out` cannot
        be written to.
    """
    if not out.name:
        raise InputError(f"--out={out}: names no file.")
    runs = [comparison.finished(folder) for folder in workdirs]
    names = {run.name for run in runs}
    if reference is not None and reference not in names:
        raise InputError(f"--reference={reference}: no run has that name.{suggestion(reference, names)}")
    machine = f"{platform.machine()} with {os.cpu_count()} cores"
    text = tables.document(runs, command, reference or REFERENCE, notes, machine)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_text(out, text)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror}).") from error


def main(values: argparse.Namespace) -> None:
    """Writes the tables of the runs that are given."""
    load_imports(values.workdirs)
    command = values.origin or shlex.join(values.command)
    write(values.out, values.workdirs, command, values.reference, values.note)
    print(f"table: {values.out}")
