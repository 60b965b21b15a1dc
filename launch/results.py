"""`rankq sweep results`, as `python -m launch.results`."""

import sys

from rankq_jax.cli.main import main

if __name__ == "__main__":
    sys.exit(main("sweep", "results"))
