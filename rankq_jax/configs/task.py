"""The task of a configuration."""

from rankq_jax import tasks
from rankq_jax.configs.run_config import RunConfig
from rankq_jax.tasks import Task


def task_of(config: RunConfig) -> Task:
    """The task that a configuration names, with the time limit and the observations that it chooses.

    Raises:
      InputError: if there is no such task, or it cannot have the time limit.
    """
    return tasks.with_horizon(tasks.find(config.task, config.dataset_keys), config.horizon)
