"""Runs a sweep and writes its tables: `python -m launch.results --help`."""

import sys

from rankq_jax.launch.results import main

if __name__ == "__main__":
    sys.exit(main())
