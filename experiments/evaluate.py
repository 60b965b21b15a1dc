"""`rankq evaluate`, as `python -m experiments.evaluate`."""

import sys

from rankq_jax.cli.main import main

if __name__ == "__main__":
    sys.exit(main("evaluate"))
