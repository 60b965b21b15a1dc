"""Prints what a dataset becomes under every reading, as a table in Markdown.

python -m experiments.readings --task=adroit-pen --dataset=NAME
"""

from absl import flags

from experiments import cli
from experiments.reading_table import read, table
from rankq_jax import tasks

TASK = flags.DEFINE_string("task", None, "Name of the task.")
DATASET = flags.DEFINE_string("dataset", None, "Names or paths of its sources, comma-separated.")


def main(arguments: list[str]) -> None:
    """Entry point."""
    cli.no_more(arguments)
    print(table(read(tasks.find(TASK.value or ""), DATASET.value or "")))


if __name__ == "__main__":
    flags.mark_flag_as_required("task")
    flags.mark_flag_as_required("dataset")
    cli.run(main)
