"""Runs the jobs of a sweep one after the other in subprocesses; those done before end at once.

python -m launch.local launch/sweeps/pointmaze.py --out=runs/pointmaze
"""

import argparse
import subprocess
import sys
from pathlib import Path

from launch import sweep


def _execute(command: list[str]) -> int:
    process = subprocess.Popen(command)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait()  # the same Ctrl-C reached it; it closes its files first
        raise


def run(jobs: list[sweep.Job], out: Path) -> dict[str, int]:
    """Runs every job with its workdir below `out`; a finished one is noticed by the training command.

    Returns:
      `{name: exit status}` of the jobs that failed.
    """
    failed = {}
    for i, job in enumerate(jobs):
        print(f"[{i + 1}/{len(jobs)}] {job.name}", flush=True)
        workdir = f"--workdir={out / job.name}"
        status = _execute([sys.executable, "-m", "experiments.train", *job.arguments, workdir])
        if status:
            failed[job.name] = status
    return failed


def main() -> int:
    """Entry point: 0 if every job is done, 1 if one failed, 2 if the sweep file is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sweep", help="file that defines SWEEP")
    parser.add_argument("--out", type=Path, required=True, help="folder of the workdirs")
    arguments = parser.parse_args()
    try:
        jobs = sweep.read(arguments.sweep)
        failed = run(jobs, arguments.out)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("error: interrupted; run the same command to go on", file=sys.stderr)
        return 130
    for name, status in failed.items():
        print(f"failed: {name} with status {status}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
