"""Tasks by name: an environment, the data that belongs to it, and the reward it is judged by."""

from rankq_jax.errors import PLUGINS, InputError, suggestion
from rankq_jax.tasks import ant_mazes, experts, gym_mujoco, hands, point_mazes
from rankq_jax.tasks.task import MEASURES, Generator, Measure, Scene, Task

TASKS: dict[str, Task] = {
    task.name: task
    for module in (point_mazes, ant_mazes, hands, gym_mujoco, experts)
    for task in module.TASKS
}


def find(name: str) -> Task:
    """The task of that name.

    Raises:
      InputError: if there is none, with the nearest name.
    """
    if name not in TASKS:
        raise InputError(f"unknown task {name!r}.{suggestion(name, TASKS)}{PLUGINS.format('task')}")
    return TASKS[name]


__all__ = ["MEASURES", "TASKS", "Generator", "Measure", "Scene", "Task", "find"]
