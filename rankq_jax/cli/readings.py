"""Prints what a dataset becomes under every reading, as a table in Markdown.

rankq dataset readings --task=adroit-pen --dataset=NAME
"""

import argparse

from rankq_jax import tasks
from rankq_jax.cli.reading_table import read, table


def main(values: argparse.Namespace) -> None:
    """Prints the table of the dataset that is given."""
    print(table(read(tasks.find(values.task), values.dataset)))
