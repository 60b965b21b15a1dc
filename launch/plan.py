"""Shows the jobs of a sweep: `python -m launch.plan --help`."""

import sys

from rankq_jax.launch.plan import main

if __name__ == "__main__":
    sys.exit(main())
