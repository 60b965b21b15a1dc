"""Converts a dataset to another format: `python -m experiments.convert_dataset --help`."""

from rankq_jax.cli.convert_dataset import start

if __name__ == "__main__":
    start()
