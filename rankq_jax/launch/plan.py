"""Lists the jobs of a sweep: name, seeds, state and command line, then what is wrong. Nothing is started.

rankq sweep plan launch/sweeps/smoke.py
"""

import argparse
import shlex

from rankq_jax.launch import commands, job, states, sweep


def _seeds(planned: sweep.Job) -> str:
    found = sweep.seeds(planned)
    if found is None:
        return "seeds of the configuration"
    first, count = found
    return f"seed {first}" if count == 1 else f"seeds {first} to {first + count - 1}"


def main(arguments: argparse.Namespace) -> int:
    """Lists the jobs; returns 0.

    Raises:
      InputError: if the sweep file or the configuration of a job is wrong.
    """
    jobs, out = commands.jobs_of(arguments)
    for planned in jobs:
        needed = "".join(f", after {name}" for name in sweep.needs(planned))
        print(f"{planned.name}: {_seeds(planned)}, {states.of(planned, out).state}{needed}")
        print(f"  {shlex.join(['python', *job.command(planned, out)[1:]])}")
    print(f"{len(jobs)} jobs in {out}", flush=True)
    commands.check(jobs, out)
    return 0
