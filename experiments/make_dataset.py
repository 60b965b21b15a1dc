"""Makes the dataset of a task: `python -m experiments.make_dataset --help`."""

from rankq_jax.cli.make_dataset import start

if __name__ == "__main__":
    start()
