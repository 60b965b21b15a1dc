"""`rankq report`, as `python -m experiments.report`."""

import sys

from rankq_jax.cli.main import main

if __name__ == "__main__":
    sys.exit(main("report"))
