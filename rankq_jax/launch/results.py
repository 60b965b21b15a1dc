"""Runs the jobs of a sweep that are not done yet, then writes the table about all of them.

python -m launch.results launch/sweeps/pointmaze.py --out=runs/pointmaze --table=docs/results/pointmaze.md
"""

import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rankq_jax.launch import commands, local, packs, record
from rankq_jax.launch.job import STOPPED


def table_command(
    workdirs: Sequence[Path], table: Path, reference: str, command: str, notes: Sequence[str]
) -> list[str]:
    """The command line that writes the table.

    Args:
      workdirs: of the finished runs, in the order of the rows.
      table: Markdown file.
      reference: name of the run that the others are compared with.
      command: that the document gives as its origin.
      notes: remarks under the tables.
    """
    flags = [f"--out={table}", f"--reference={reference}", f"--command={command}"]
    remarks = [f"--note={note}" for note in notes]
    return [sys.executable, "-m", "experiments.table", *flags, *remarks, "--", *map(str, workdirs)]


def _results() -> int:
    parser = commands.parser(__doc__)
    commands.add_starting(parser)
    parser.add_argument("--table", type=Path, required=True, help="Markdown file that is written")
    parser.add_argument("--reference", default="rankq", help="run that the others are compared with")
    parser.add_argument("--note", action="append", default=[], help="remark under the tables; repeatable")
    arguments = parser.parse_args()
    command = shlex.join(["python", "-m", "launch.results", *sys.argv[1:]])
    jobs, out = commands.jobs_of(arguments)
    commands.check(jobs, out)
    outcomes = local.run(jobs, out, attempts=arguments.attempts)
    if (status := local.status_of(jobs, outcomes)) == STOPPED:
        return status
    failed = {name: ended for name, ended in outcomes.items() if ended.state == record.FAILED}
    for name, ended in failed.items():
        print(f"failed: {name}: {ended.error}", file=sys.stderr)
    broken = {packs.whole(name) for name in failed}  # an arm is in the table with all of its seeds or not
    done = [out / job.name for job in jobs if packs.whole(job.name) not in broken]
    if not done:
        print("error: no job has finished, so there is no table", file=sys.stderr)
        return local.FAILED
    notes = list(arguments.note)
    if failed:
        named = ", ".join(f"{name} (status {ended.status})" for name, ended in failed.items())
        notes.append(f"Failed, and missing above: {named}.")
    line = table_command(done, arguments.table, arguments.reference, command, notes)
    return subprocess.run(line).returncode or status


def main() -> int:
    """Entry point: 0 if every job is in the table, 1 if one failed, 2 wrong input, 75 stopped."""
    return commands.run(_results)


if __name__ == "__main__":
    sys.exit(main())
