"""Shows where the jobs of a sweep are: `python -m launch.status --help`."""

import sys

from rankq_jax.launch.status import main

if __name__ == "__main__":
    sys.exit(main())
