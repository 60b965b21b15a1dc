"""The table of the states of a sweep, from its workdirs alone, whatever runs it.

rankq sweep status launch/sweeps/smoke.py
"""

import argparse
import json

from rankq_jax.launch import commands, states


def main(arguments: argparse.Namespace) -> int:
    """Prints the states; returns 0 whatever they are.

    Raises:
      InputError: if the sweep file is wrong.
    """
    jobs, out = commands.jobs_of(arguments)
    found = [states.of(job, out) for job in jobs]
    if arguments.json:
        print(json.dumps([state._asdict() for state in found], indent=1))
    else:
        states.show(found)
    return 0
