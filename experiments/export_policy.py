"""Exports the greedy policy of a run: `python -m experiments.export_policy --help`."""

from rankq_jax.cli.export_policy import start

if __name__ == "__main__":
    start()
