"""Runs the jobs of a sweep that are not done yet, then writes the table about all of them.

With `--minutes` it is the table of those that are done by then. With `--carry` several machines share a
sweep, one after another.

rankq sweep results launch/sweeps/pointmaze.py --out=runs/pointmaze --table=docs/results/pointmaze.md
"""

import argparse
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rankq_jax.errors import InputError
from rankq_jax.launch import carrying, commands, local, packs, record, scheduler
from rankq_jax.launch.job import STOPPED, Outcome
from rankq_jax.launch.jobs import Job


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

    What is stopped by a signal writes no table.

    Raises:
      InputError: if the sweep file, the configuration of a job or the place of the table is wrong.
    """
    place = arguments.table.parent
    if arguments.table.is_dir() or not next(at for at in (place, *place.parents) if at.exists()).is_dir():
        raise InputError(f"--table={arguments.table}: no file can lie there; give a Markdown file.")
    begun = time.monotonic()
    jobs, out = commands.jobs_of(arguments)
    carrying.check_folders(arguments.carry, out)
    elsewhere = carrying.done_elsewhere(jobs, arguments.carry)
    left = [job for job in jobs if job.name not in elsewhere]
    if arguments.carry:
        carrying.gather(elsewhere, arguments.carry[0])
    carrying.take_over(left, arguments.carry, out)
    commands.check(left, out)
    outcomes = local.run(left, out, attempts=arguments.attempts, minutes=arguments.minutes)
    status = scheduler.status_of(left, outcomes)
    if status != STOPPED or _is_over(begun, arguments.minutes):
        tabled = _tabled(arguments, jobs, out, elsewhere, outcomes)
        status = (status or scheduler.FAILED) if tabled is None else (tabled or status)
    for told in carrying.hand_on(jobs, out, arguments.carry[0]) if arguments.carry else ():
        print(told, file=sys.stderr)
    return status


def _tabled(
    arguments: argparse.Namespace,
    jobs: Sequence[Job],
    out: Path,
    elsewhere: Mapping[str, Path],
    outcomes: Mapping[str, Outcome],
) -> int | None:
    """Writes the table of what is done; its exit status, None if nothing is done.

    Args:
      arguments: of the command.
      jobs: all of the sweep.
      out: the folder of all workdirs.
      elsewhere: workdirs of the jobs that other machines have finished, by name.
      outcomes: of the other jobs that were started, by name.
    """
    failed = {name: ended for name, ended in outcomes.items() if ended.state == record.FAILED}
    for name, ended in failed.items():
        print(f"failed: {name}: {ended.error}", file=sys.stderr)
    over = {name for name, ended in outcomes.items() if ended.state in (record.DONE, record.FAILED)}
    unfinished = [job.name for job in jobs if job.name not in {*over, *elsewhere}]
    # An arm is in the table with all of its seeds or not.
    broken = {packs.whole(name) for name in (*failed, *unfinished)}
    done = [elsewhere.get(job.name, out / job.name) for job in jobs if packs.whole(job.name) not in broken]
    if not done:
        print("error: no job has finished, so there is no table", file=sys.stderr)
        return None
    notes = list(arguments.note)
    if failed:
        named = ", ".join(f"{name} (status {ended.status})" for name, ended in failed.items())
        notes.append(f"Failed, and missing above: {named}.")
    if unfinished:
        notes.append(f"Not finished, and missing above: {', '.join(unfinished)}.")
    line = table_command(done, arguments.table, arguments.reference, shlex.join(arguments.command), notes)
    return subprocess.run(line).returncode


def _is_over(begun: float, minutes: int | None) -> bool:
    """Whether a run ended because its time was up, and nobody asked it to stop."""
    return minutes is not None and time.monotonic() >= begun + 60.0 * minutes
