"""Runs a sweep on this machine: `python -m launch.local --help`."""

import sys

from rankq_jax.launch.local import main

if __name__ == "__main__":
    sys.exit(main())
