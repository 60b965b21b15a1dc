"""What the commands about a sweep share: their flags, and how wrong input ends them."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from launch import job, sweep


def parser(description: str | None) -> argparse.ArgumentParser:
    """The flags of every command about a sweep."""
    flags = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    flags.add_argument("sweep", help="file that defines SWEEP or BUDGETS")
    flags.add_argument("--out", type=Path, help="folder of the workdirs; runs/NAME for NAME.py if left out")
    flags.add_argument("--budget", help=f"name in BUDGETS; {sweep.DEFAULT_BUDGET} where there is no SWEEP")
    return flags


def add_pack(flags: argparse.ArgumentParser) -> None:
    """Adds the flag that splits jobs by their seeds."""
    flags.add_argument("--pack", type=int, default=0, help="seeds of a process at most; 0: all of a job")


def add_starting(flags: argparse.ArgumentParser) -> None:
    """Adds what commands take that start jobs: how often one may crash, whether it may have changed."""
    text = f"crashes after which a job is given up; {job.ATTEMPTS} if left out"
    flags.add_argument("--attempts", type=int, default=job.ATTEMPTS, help=text)
    text = "go on with jobs whose configuration, code, versions or dataset have changed since they began"
    flags.add_argument("--accept-changes", action="store_true", help=text)


def jobs_of(arguments: argparse.Namespace) -> tuple[list[sweep.Job], Path]:
    """The jobs that a command line names, and the folder of their workdirs.

    Raises:
      ValueError: if the sweep file or a flag is wrong; one line.
    """
    if getattr(arguments, "attempts", 1) < 1:
        raise ValueError(f"--attempts={arguments.attempts}: must be at least 1.")
    jobs = sweep.packed(sweep.read(arguments.sweep, arguments.budget), getattr(arguments, "pack", 0))
    if getattr(arguments, "accept_changes", False):
        jobs = [one._replace(arguments=(*one.arguments, "--accept_changes")) for one in jobs]
    return jobs, arguments.out or Path("runs") / Path(arguments.sweep).stem


def run(command: Callable[[], int]) -> int:
    """Runs a command; wrong input becomes one line and exit status 2."""
    try:
        return command()
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return job.WRONG_INPUT
    except BrokenPipeError:  # `| head`
        sys.stderr.close()
        return 1
