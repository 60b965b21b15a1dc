"""`rankq calibrate`, as `python -m experiments.calibrate_gap`."""

import sys

from rankq_jax.cli.main import main

if __name__ == "__main__":
    sys.exit(main("calibrate"))
