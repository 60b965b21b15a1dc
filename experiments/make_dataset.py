"""Generates a task's own dataset as a Minari dataset.

python -m experiments.make_dataset --task=pointmaze-medium --steps=150000 --seed=0
"""

from absl import flags

from experiments import cli, datasets
from rankq_jax import tasks
from rankq_jax.data.sources.minari import dataset_folder
from rankq_jax.errors import InputError

TASK = flags.DEFINE_string("task", None, "Name of the task.")
STEPS = flags.DEFINE_integer("steps", None, "Transitions; the task's default if unset.")
SEED = flags.DEFINE_integer("seed", 0, "Of starts, goals and action noise.")


def main(arguments: list[str]) -> None:
    """Entry point."""
    cli.no_more(arguments)
    task = tasks.find(TASK.value or "")
    steps = task.dataset_steps if STEPS.value is None else STEPS.value
    if SEED.value < 0:
        raise InputError(f"--seed={SEED.value} must not be negative.")
    name = datasets.make(task, steps, SEED.value)
    print(f"{name}: written to {dataset_folder(name)}")


if __name__ == "__main__":
    flags.mark_flag_as_required("task")
    cli.run(main)
