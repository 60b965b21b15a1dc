"""What the commands about a sweep share: their flags, and how wrong input ends them."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rankq_jax.launch import job, packs, record, resolve, sweep

INTERRUPTED = 130


def parser(description: str | None) -> argparse.ArgumentParser:
    """The flags of every command about a sweep."""
    flags = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    flags.add_argument("sweep", help="file that defines SWEEP or BUDGETS")
    flags.add_argument("--out", type=Path, help="folder of the workdirs; runs/NAME for NAME.py if left out")
    flags.add_argument("--budget", help=f"name in BUDGETS; {sweep.DEFAULT_BUDGET} where there is no SWEEP")
    text = "seeds of a process at most; 0: all of a job; as it is in --out already if left out"
    flags.add_argument("--pack", type=int, help=text)
    return flags


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
    out = arguments.out or Path("runs") / Path(arguments.sweep).stem
    jobs = packs.jobs(sweep.read(arguments.sweep, arguments.budget), arguments.pack, out)
    if getattr(arguments, "accept_changes", False):
        jobs = [one._replace(arguments=(*one.arguments, "--accept_changes")) for one in jobs]
    return jobs, out


def check(jobs: Sequence[sweep.Job], out: Path) -> None:
    """Refuses jobs whose configuration the training command would refuse; those that are done are not asked.

    Raises:
      ValueError: a line for each such job.
    """
    left = [planned for planned in jobs if not record.finished(out / planned.name)]
    answers = resolve.resolved([job.command(planned, out)[3:] for planned in left], build=True)
    wrong = [
        f"{planned.name}: {answer['error']}"
        for planned, answer in zip(left, answers, strict=True)
        if "error" in answer
    ]
    if wrong:
        raise ValueError("\nerror: ".join(wrong))


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
    except OSError as error:  # --out is no folder, or none that may be read
        print(f"error: {error.filename or 'the disk'}: {error.strerror or error}.", file=sys.stderr)
        return job.WRONG_INPUT
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return INTERRUPTED
