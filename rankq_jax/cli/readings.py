"""Prints what a dataset becomes under every reading, as a table in Markdown.

rankq dataset readings --task=adroit-pen --dataset=NAME
"""

import argparse

from rankq_jax import tasks
from rankq_jax.cli.reading_table import read, table


def main(values: argparse.Namespace) -> None:
    """Prints the table of the dataset that is given."""
    task = tasks.find(values.task)
    print(table(read(task, values.dataset, values.keys, values.clip_actions)))
