"""Runs a sweep on Ray: `python -m launch.ray --help`."""

import sys

from rankq_jax.launch.ray import main

if __name__ == "__main__":
    sys.exit(main())
