"""What the commands about a sweep share: its jobs, and whether training would take their configurations."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rankq_jax.errors import InputError
from rankq_jax.launch import job, packs, record, resolve, sweep
from rankq_jax.launch.ownership import ACCEPT


def jobs_of(arguments: argparse.Namespace) -> tuple[list[sweep.Job], Path]:
    """The jobs that a command line names, and the folder of their workdirs.

    Raises:
      InputError: if the sweep file or a flag is wrong; one line.
    """
    out = arguments.out or Path("runs") / Path(arguments.sweep).stem
    shared = tuple(f"--import={name}" for name in arguments.imports)
    with resolve.importing(shared):
        jobs = packs.jobs(sweep.read(arguments.sweep, arguments.budget), arguments.pack, out)
    if getattr(arguments, "accept_changes", False):
        shared += (ACCEPT,)
    return [one._replace(arguments=(*one.arguments, *shared)) for one in jobs], out


def check(jobs: Sequence[sweep.Job], out: Path) -> None:
    """Refuses jobs whose configuration the training command would refuse; those that are done are not asked.

    Raises:
      InputError: a line for each such job.
    """
    left = [planned for planned in jobs if not record.finished(out / planned.name)]
    skipped = 1 + len(job.TRAIN)
    answers = resolve.resolved([job.command(planned, out)[skipped:] for planned in left], build=True)
    wrong = [
        f"{planned.name}: {answer['error']}"
        for planned, answer in zip(left, answers, strict=True)
        if "error" in answer
    ]
    if wrong:
        raise InputError("\n".join(wrong))
