"""Writes a page about runs: `python -m experiments.report --help`."""

from rankq_jax.cli.report import start

if __name__ == "__main__":
    start()
