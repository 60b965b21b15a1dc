"""Evaluates a run: `python -m experiments.evaluate --help`."""

from rankq_jax.cli.evaluate import start

if __name__ == "__main__":
    start()
