"""A task as one of features: environments encode what they see, recordings are encoded when loaded."""

from collections.abc import Callable

from rankq_jax.environments import BatchEnv
from rankq_jax.envs.encoding import Encoding, encoded_env
from rankq_jax.tasks.task import Task
from rankq_jax.types import Transition

Make = Callable[[int, int], BatchEnv]


def encoded(task: Task, encoding: Encoding) -> Task:
    """The task with features in place of observations; its recordings stay those of `task`.

    Args:
      task: whose environments are behind it.
      encoding: of their observations.
    """

    def seen(make: Make) -> Make:
        return lambda rows, threads: encoded_env(make(rows, threads), encoding)

    return task._replace(
        environment=seen(task.environment),
        unending=None if task.unending is None else seen(task.unending),
        drawn=None if task.drawn is None else seen(task.drawn),
    )


def encoded_rows(data: Transition, encoding: Encoding) -> Transition:
    """Training data of a task as that of its features; each of its observations is encoded once."""
    observation, following = encoding.rows(data.observation), encoding.rows(data.next_observation)
    return data._replace(observation=observation, next_observation=following)
