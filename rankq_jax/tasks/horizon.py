"""A task with another time limit."""

import functools
from collections.abc import Callable

from rankq_jax.environments import BatchEnv
from rankq_jax.errors import InputError
from rankq_jax.tasks.task import Task

Make = Callable[[int, int], BatchEnv]


def with_horizon(task: Task, steps: int) -> Task:
    """The task with episodes that are truncated after other `steps`; 0 leaves them as they are.

    Recorded episodes may be as long as before: those that outlast the task are reported.

    Raises:
      InputError: if its environments cannot have that time limit.
    """
    if steps == 0 or (not task.recorded and steps == task.spec.horizon):
        return task
    if task.recorded:
        raise InputError(f"config.horizon={steps}: the task {task.name!r} is a dataset; leave it out.")
    try:
        environment = _limited(task.environment, steps)
        unending, drawn = (
            None if make is None else _limited(make, steps) for make in (task.unending, task.drawn)
        )
    except ValueError as error:
        raise InputError(f"config.horizon={steps}: the task {task.name!r}: {error}; leave it out.") from error
    before = task.spec.horizon + 1 if task.longest is None else task.longest
    longest = max(before, steps + 1)
    return task._replace(environment=environment, unending=unending, drawn=drawn, longest=longest)


@functools.lru_cache(maxsize=64)  # so that one task is one function, whose sizes are read once
def _limited(environment: Make, steps: int) -> Make:
    probe = environment(1, 1)
    if probe.limit is None:
        raise ValueError("its environments have no other time limit than their own")
    other = probe.limit(steps)
    for env in (probe, other):
        if env.close is not None:
            env.close()

    def limited(rows: int, threads: int) -> BatchEnv:
        env = environment(rows, threads)
        assert env.limit is not None
        return env.limit(steps)

    return limited
