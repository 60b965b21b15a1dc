"""`rankq sweep status`, as `python -m launch.status`."""

import sys

from rankq_jax.cli.main import main

if __name__ == "__main__":
    sys.exit(main("sweep", "status"))
