"""`rankq dataset convert`, as `python -m experiments.convert_dataset`."""

import sys

from rankq_jax.cli.main import main

if __name__ == "__main__":
    sys.exit(main("dataset", "convert"))
