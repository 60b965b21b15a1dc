"""Inspects a dataset: `python -m experiments.inspect_dataset --help`."""

from rankq_jax.cli.inspect_dataset import start

if __name__ == "__main__":
    start()
