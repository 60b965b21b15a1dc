"""`rankq sweep local`, as `python -m launch.local`."""

import sys

from rankq_jax.cli.main import main

if __name__ == "__main__":
    sys.exit(main("sweep", "local"))
