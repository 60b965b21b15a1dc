"""`rankq table`, as `python -m experiments.table`."""

import sys

from rankq_jax.cli.main import main

if __name__ == "__main__":
    sys.exit(main("table"))
