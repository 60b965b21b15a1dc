"""Runs a sweep on Slurm: `python -m launch.slurm --help`."""

import sys

from rankq_jax.launch.slurm import main

if __name__ == "__main__":
    sys.exit(main())
