"""`rankq export`, as `python -m experiments.export_policy`."""

import sys

from rankq_jax.cli.main import main

if __name__ == "__main__":
    sys.exit(main("export"))
