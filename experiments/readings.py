"""Shows a dataset under each reading: `python -m experiments.readings --help`."""

from rankq_jax.cli.readings import start

if __name__ == "__main__":
    start()
