"""Prints what a dataset becomes under every reading, as a table in Markdown.

python -m experiments.readings --task=adroit-pen --dataset=NAME
"""

from absl import flags

from rankq_jax import tasks
from rankq_jax.cli import command
from rankq_jax.cli.reading_table import read, table

TASK = flags.DEFINE_string("task", None, "Name of the task.")
DATASET = flags.DEFINE_string("dataset", None, "Names or paths of its sources, comma-separated.")


def main(arguments: list[str]) -> None:
    """Entry point."""
    command.no_more(arguments)
    print(table(read(tasks.find(TASK.value or ""), DATASET.value or "")))


def start() -> None:
    """Runs the command on the arguments of the process."""
    flags.mark_flag_as_required("task")
    flags.mark_flag_as_required("dataset")
    command.run(main)


if __name__ == "__main__":
    start()
