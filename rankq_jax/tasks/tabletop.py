"""An arm at a table that is told in words what to do: images, instructions and chunks of actions."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from rankq_jax.data.episodes import concatenate
from rankq_jax.data.prepare import RewardTransform
from rankq_jax.envs.tabletop.camera import FOVY
from rankq_jax.envs.tabletop.control import ACTION, PERIOD
from rankq_jax.envs.tabletop.demonstrations import demonstrations
from rankq_jax.envs.tabletop.env import REWARDS, tabletop_env
from rankq_jax.envs.tabletop.looks import EYE_RANGE, VARIED_EYE, Look, shifted
from rankq_jax.envs.tabletop.options import Options
from rankq_jax.envs.tabletop.scene import SETTINGS
from rankq_jax.envs.tabletop.variants import ENDINGS, GAPS, LARGE, SIZES, TARGET, VARIANTS
from rankq_jax.tasks.task import Chunk, Generator, Progress, Task
from rankq_jax.types import Episodes

STEPS: Mapping[str, Any] = {"chunk": 1, "horizon": 100}  # of the world in which the expert is recorded
EPISODE = 21  # control steps of a demonstration, about
EPISODES, SHARD_EPISODES = 2_000, 50  # of a task for each thing that is moved; of a shard


def collect(
    options: Options,
    episodes: int,
    seed: int,
    threads: int,
    progress: Progress = lambda steps: None,
) -> Episodes:
    """Demonstrations of the scripted expert, a row for each control step.

    Args:
      options: of the world.
      episodes: how many, all of them successes.
      seed: of starts and noise.
      threads: of the simulations; 0 uses every core.
      progress: told the number of control steps, over all rows, after each of them.

    Returns:
      Actions `[T, 7]` as the expert wanted them. An episode ends by a time limit when the arm has rested.
    """
    made = demonstrations(options, seed, threads, progress)
    return concatenate([next(made) for _ in range(episodes)])


def _generate(
    options: Options, recovering: bool, steps: int, seed: int, threads: int, progress: Progress
) -> Episodes:
    """Whole demonstrations of at least `steps` control steps."""
    kept, count = list[Episodes](), 0
    for episode in demonstrations(options, seed, threads, progress, recovering):
        kept.append(episode)
        count += len(episode.reward)
        if count >= steps:
            break
    return concatenate(kept)


def _generators(options: Options) -> Mapping[str, Generator]:
    """Demonstrations, a row for each control step."""
    directions = 2 if options.direction == "both" else 1
    steps = EPISODES * EPISODE * directions
    made = Generator(
        steps=steps,
        shard_steps=SHARD_EPISODES * EPISODE,
        make=functools.partial(_generate, dataclasses.replace(options, **STEPS), False),
        algorithm="successes of a scripted expert, half of them executed with noise and labeled without",
        env_specs=None,
    )
    recovery = made._replace(
        steps=steps // 2,
        make=functools.partial(_generate, dataclasses.replace(options, **STEPS), True),
        algorithm=f"{made.algorithm}; each begins where somebody clumsy has led",
    )
    return {"expert": made, "recovery": recovery}


def _world(options: Options) -> Mapping[str, Any]:
    """What a recording tells of its pictures; one without pictures tells nothing."""
    if options.image is None:
        return {}
    look = shifted(Look(), options.gap)
    apart = EYE_RANGE if options.randomized else VARIED_EYE if options.varied else 0.0
    x, y, z = look.eye
    return {"camera": f"({x:.3f}, {y:.3f}, {z:.3f}) m +- {apart:g} m, {FOVY:g} degrees", "gap": options.gap}


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
        transform=RewardTransform(scale=1.0, bias=0.0, failure=0.0, persists=True),
        success=None,
        rewards=REWARDS,
        generators=_generators(options),
        tells_success=True,
        seconds=PERIOD * options.chunk,
        world=_world(options),
        # A gripper keeps its opening. Where it changes it next is where the arm is going.
        chunk=Chunk(options.chunk, held=(ACTION - 1,), every=3, waypoint="proprio"),
    )


def options_of(setting: str, ending: str = "") -> Options:
    """The world of the task `widowx-SETTING` with one of the `ENDINGS`."""
    variant = ending.removesuffix(LARGE)
    changes = dict(VARIANTS[variant])
    if variant != ending:
        changes["image"] = SIZES[1]
    if variant == TARGET:
        changes["gap"] = GAPS[setting]
    if not SETTINGS[setting].symmetric:
        changes.pop("direction", None)
    return dataclasses.replace(Options(setting=setting), **changes)


TASKS = [
    task(f"widowx-{setting}{ending}", options_of(setting, ending))
    for setting in SETTINGS
    for ending in ENDINGS
]
