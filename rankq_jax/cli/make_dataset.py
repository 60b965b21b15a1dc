"""Generates a task's own dataset as a Minari dataset.

python -m experiments.make_dataset --task=pointmaze-medium --steps=150000 --seed=0
"""

from absl import flags

from rankq_jax import tasks
from rankq_jax.cli import command
from rankq_jax.data.sources.minari import dataset_folder
from rankq_jax.errors import InputError
from rankq_jax.tasks.datasets import generator_of
from rankq_jax.training import datasets

TASK = flags.DEFINE_string("task", None, "Name of the task.")
KIND = flags.DEFINE_string("kind", "", "Way of making it; the task's first if unset.")
STEPS = flags.DEFINE_integer("steps", None, "Transitions; the task's default if unset.")
SEED = flags.DEFINE_integer("seed", 0, "Of starts, goals and action noise.")
PROCESSES = flags.DEFINE_integer("processes", 0, "That work at once on large datasets; 0: one for each core.")


def main(arguments: list[str]) -> None:
    """Entry point."""
    command.no_more(arguments)
    task = tasks.find(TASK.value or "")
    steps = generator_of(task, KIND.value)[1].steps if STEPS.value is None else STEPS.value
    for name, value in (("seed", SEED.value), ("processes", PROCESSES.value)):
        if value < 0:
            raise InputError(f"--{name}={value} must not be negative.")
    name = datasets.make(task, steps, SEED.value, KIND.value, PROCESSES.value)
    print(f"{name}: written to {dataset_folder(name)}")


def start() -> None:
    """Runs the command on the arguments of the process."""
    flags.mark_flag_as_required("task")
    command.run(main)


if __name__ == "__main__":
    start()
