"""`rankq sweep slurm`, as `python -m launch.slurm`."""

import sys

from rankq_jax.cli.main import main

if __name__ == "__main__":
    sys.exit(main("sweep", "slurm"))
