"""Runs the jobs of a sweep that are not done yet, then writes the table about all of them.

rankq sweep results launch/sweeps/pointmaze.py --out=runs/pointmaze --table=docs/results/pointmaze.md
"""

import argparse
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rankq_jax.errors import InputError
from rankq_jax.launch import commands, local, packs, record, scheduler
from rankq_jax.launch.job import STOPPED


def table_command(
    workdirs: Sequence[Path], table: Path, reference: str | None, command: str, notes: Sequence[str]
) -> list[str]:
    """The command line of `rankq table`, which reads numpy and so runs in a process of its own."""
    flags = [f"--out={table}", f"--command={command}"]
    flags += [f"--reference={reference}"] if reference else []
    flags += [f"--note={note}" for note in notes]
    return [sys.executable, "-m", "rankq_jax.cli", "table", *flags, "--", *map(str, workdirs)]


def main(arguments: argparse.Namespace) -> int:
    """Runs a sweep and writes its table; returns 0 if every job is in it, 1 if one failed, 75 if stopped.

    Raises:
      InputError: if the sweep file, the configuration of a job or the place of the table is wrong.
    """
    place = arguments.table.parent
    if arguments.table.is_dir() or not next(at for at in (place, *place.parents) if at.exists()).is_dir():
        raise InputError(f"--table={arguments.table}: no file can lie there; give a Markdown file.")
    jobs, out = commands.jobs_of(arguments)
    commands.check(jobs, out)
    outcomes = local.run(jobs, out, attempts=arguments.attempts)
    if (status := scheduler.status_of(jobs, outcomes)) == STOPPED:
        return status
    failed = {name: ended for name, ended in outcomes.items() if ended.state == record.FAILED}
    for name, ended in failed.items():
        print(f"failed: {name}: {ended.error}", file=sys.stderr)
    broken = {packs.whole(name) for name in failed}  # an arm is in the table with all of its seeds or not
    done = [out / job.name for job in jobs if packs.whole(job.name) not in broken]
    if not done:
        print("error: no job has finished, so there is no table", file=sys.stderr)
        return scheduler.FAILED
    notes = list(arguments.note)
    if failed:
        named = ", ".join(f"{name} (status {ended.status})" for name, ended in failed.items())
        notes.append(f"Failed, and missing above: {named}.")
    line = table_command(done, arguments.table, arguments.reference, shlex.join(arguments.command), notes)
    return subprocess.run(line).returncode or status
