"""`rankq sweep plan`, as `python -m launch.plan`."""

import sys

from rankq_jax.cli.main import main

if __name__ == "__main__":
    sys.exit(main("sweep", "plan"))
