"""An arm at a table that is told in words what to do: images, instructions and chunks of actions."""

import dataclasses
import functools

from rankq_jax.data.prepare import RewardTransform
from rankq_jax.envs.tabletop.env import REWARDS, tabletop_env
from rankq_jax.envs.tabletop.options import Options
from rankq_jax.envs.tabletop.scene import SETTINGS
from rankq_jax.tasks.task import Task

# What the name of a task ends with, and what differs then.
VARIANTS = {
    "": {},
    "-state": {"image": None},
    "-grid": {"spawns": "grid72"},
    "-randomized": {"spawns": "c4", "randomized": True},
}


def task(name: str, options: Options) -> Task:
    """A world as a task: raw rewards 0 and 1, paid in every chunk that ends with a success.

    Args:
      name: in the registry.
      options: of the world.
    """
    return Task(
        name=name,
        domain="tabletop",
        environment=functools.partial(tabletop_env, options),
        transform=RewardTransform(scale=1.0, bias=0.0, failure=0.0),
        success=None,
        rewards=REWARDS,
        tells_success=True,
    )


TASKS = [
    task(f"widowx-{setting}{ending}", dataclasses.replace(Options(setting=setting), **changes))
    for setting in SETTINGS
    for ending, changes in VARIANTS.items()
]
