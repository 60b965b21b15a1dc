"""`rankq dataset inspect`, as `python -m experiments.inspect_dataset`."""

import sys

from rankq_jax.cli.main import main

if __name__ == "__main__":
    sys.exit(main("dataset", "inspect"))
