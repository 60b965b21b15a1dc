"""`rankq sweep ray`, as `python -m launch.ray`."""

import sys

from rankq_jax.cli.main import main

if __name__ == "__main__":
    sys.exit(main("sweep", "ray"))
