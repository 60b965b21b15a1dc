"""A Markdown document about several finished runs: one section per task, one row per run.

python -m experiments.table --out=docs/results/pointmaze.md WORKDIR [WORKDIR ...]
"""

import os
import platform
import shlex
import sys
from pathlib import Path

from absl import flags

from rankq_jax.analysis import comparison, tables
from rankq_jax.cli import command
from rankq_jax.errors import InputError
from rankq_jax.writers import write_text

OUT = flags.DEFINE_string("out", None, "Markdown file.")
COMMAND = flags.DEFINE_string("command", "", "The command that made the runs; empty: this command.")
REFERENCE = flags.DEFINE_string("reference", "rankq", "Name of the run that the others are compared with.")
NOTE = flags.DEFINE_multi_string("note", [], "A remark under the tables; may be given several times.")


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


def main(arguments: list[str]) -> None:
    """Entry point."""
    if not arguments:
        raise InputError("give the --workdir of one run or of several.")
    command = COMMAND.value or shlex.join(["python", "-m", "experiments.table", *sys.argv[1:]])
    write(Path(OUT.value or ""), [Path(a) for a in arguments], command, REFERENCE.value, NOTE.value)
    print(f"table: {OUT.value}")


def start() -> None:
    """Runs the command on the arguments of the process."""
    flags.mark_flag_as_required("out")
    command.run(main)


if __name__ == "__main__":
    start()
