"""Generates a task's own dataset as a Minari dataset.

rankq dataset make --task=pointmaze-medium --steps=150000 --seed=0
"""

import argparse

from rankq_jax import tasks
from rankq_jax.data.sources.minari import dataset_folder
from rankq_jax.tasks.datasets import dataset_name, generator_of, is_made
from rankq_jax.training import datasets


def main(values: argparse.Namespace) -> None:
    """Makes the dataset that the values of the flags describe."""
    task = tasks.find(values.task)
    steps = generator_of(task, values.kind)[1].steps if values.steps is None else values.steps
    if is_made(task, steps, values.seed, values.kind):
        name = dataset_name(task, steps, values.seed, values.kind)
        print(f"{name}: exists already, made with these settings: {dataset_folder(name)}")
        return
    name = datasets.make(task, steps, values.seed, values.kind, values.processes)
    print(f"{name}: written to {dataset_folder(name)}")
