"""`python -m rankq_jax.cli COMMAND`, which is `rankq COMMAND`."""

import sys

from rankq_jax.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
