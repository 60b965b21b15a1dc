"""`rankq train`, as `python -m experiments.train`."""

import sys

from rankq_jax.cli.main import main

if __name__ == "__main__":
    sys.exit(main("train"))
