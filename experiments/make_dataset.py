"""`rankq dataset make`, as `python -m experiments.make_dataset`."""

import sys

from rankq_jax.cli.main import main

if __name__ == "__main__":
    sys.exit(main("dataset", "make"))
