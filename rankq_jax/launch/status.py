"""The table of the states of a sweep, from its workdirs alone, whatever runs it.

python -m launch.status launch/sweeps/smoke.py
"""

import json
import sys

from rankq_jax.launch import commands, states


def _status() -> int:
    flags = commands.parser(__doc__)
    flags.add_argument("--json", action="store_true", help="a list of states for scripts")
    arguments = flags.parse_args()
    jobs, out = commands.jobs_of(arguments)
    found = [states.of(job, out) for job in jobs]
    if arguments.json:
        print(json.dumps([state._asdict() for state in found], indent=1))
    else:
        states.show(found)
    return 0


def main() -> int:
    """Entry point: 0 whatever the states are, or 2 if the sweep file is wrong."""
    return commands.run(_status)


if __name__ == "__main__":
    sys.exit(main())
