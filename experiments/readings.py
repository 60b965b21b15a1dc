"""`rankq dataset readings`, as `python -m experiments.readings`."""

import sys

from rankq_jax.cli.main import main

if __name__ == "__main__":
    sys.exit(main("dataset", "readings"))
