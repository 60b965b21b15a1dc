"""Tasks by name: an environment, the data that belongs to it, and the reward it is judged by."""

from collections.abc import Callable, Iterator

from rankq_jax.errors import PLUGINS, InputError, suggestion
from rankq_jax.tasks import (
    ant_mazes,
    experts,
    from_gymnasium,
    gym_mujoco,
    hands,
    point_mazes,
    recorded,
    tabletop,
)
from rankq_jax.tasks.horizon import with_horizon
from rankq_jax.tasks.task import MEASURES, Generator, Measure, Scene, Task

TASKS: dict[str, Task] = {
    task.name: task
    for module in (point_mazes, ant_mazes, hands, gym_mujoco, tabletop, experts)
    for task in module.TASKS
}
# What makes a task of a name and of the keys of a dataset, by the beginning of the name.
_MADE: dict[str, Callable[[str, str], Task]] = {
    from_gymnasium.PREFIX: lambda name, keys: from_gymnasium.named(name),
    recorded.PREFIX: recorded.named,
}


class _Names:
    """What a task can be named: a name of `TASKS`, or one that says itself what it is."""

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name in TASKS or name.startswith(tuple(_MADE)))

    def __iter__(self) -> Iterator[str]:
        return iter(TASKS)

    def __len__(self) -> int:
        return len(TASKS)


NAMES = _Names()


def find(name: str, keys: str = "") -> Task:
    """The task of that name: one of `TASKS`, `gym:ENV-v0`, `gym:PACKAGE:ENV-v0` or `data:FILE`.

    Args:
      name: of the task.
      keys: names of the observations that `data:FILE` joins to one vector, with commas or plus signs between.

    Raises:
      InputError: if there is none, with the nearest name.
    """
    if name in TASKS:
        return TASKS[name]
    for prefix, make in _MADE.items():
        if name.startswith(prefix):
            return make(name, keys)
    raise InputError(f"unknown task {name!r}.{suggestion(name, TASKS)}{PLUGINS.format('task')}")


__all__ = ["MEASURES", "NAMES", "TASKS", "Generator", "Measure", "Scene", "Task", "find", "with_horizon"]
