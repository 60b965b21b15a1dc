"""Trains an agent offline, then online: `python -m experiments.train --help`."""

from rankq_jax.cli.train import start

if __name__ == "__main__":
    start()
