"""Writes the tables of runs: `python -m experiments.table --help`."""

from rankq_jax.cli.table import start

if __name__ == "__main__":
    start()
