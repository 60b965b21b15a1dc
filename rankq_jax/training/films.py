"""Videos of the same starts with the policy that a run has begun with and with its newest one."""

import math
from pathlib import Path
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np

from rankq_jax.envs.filming import filmed, tiled
from rankq_jax.envs.rollout import opened
from rankq_jax.envs.streams import stream_seed
from rankq_jax.errors import InputError
from rankq_jax.evaluation import evaluate, for_all_rows
from rankq_jax.lifting import jit_act
from rankq_jax.loop.keys import initial_keys
from rankq_jax.loop.state import Progress, RunState
from rankq_jax.training import build, devices, encoding, restore
from rankq_jax.training.initialization import initialize
from rankq_jax.training.restore import Restored
from rankq_jax.training.source import recorded_source

STARTS = 9  # in three rows of three
WIDTH = 128  # pixels of one of them, at most
SEED = 0  # of the starts: the same for all runs


class Film(NamedTuple):
    """The episodes of a policy.

    Attributes:
      frames: pictures `[H, W, 3]` of all of them beside one another.
      score: the mean of what the task is judged by.
    """

    frames: list[np.ndarray]
    score: float


def film(acting: Restored) -> Film:
    """Episodes of the greedy policy of the first seed.

    Args:
      acting: what acts.

    Raises:
      InputError: if the task cannot be drawn.
    """
    task = acting.built.task
    if task.recorded:
        raise InputError(f"the task {task.name!r} has no environment.")
    env = (task.drawn or task.environment)(STARTS, acting.config.threads)
    if env.render is None:
        raise InputError(f"the task {task.name!r} cannot be drawn.")
    frames: list[list[np.ndarray]] = [[] for _ in range(STARTS)]
    params = jax.tree.map(lambda leaf: leaf[:1], acting.params)
    keys = jax.vmap(jax.random.key)(jnp.asarray([SEED], jnp.uint32))
    act = for_all_rows(jit_act(acting.agent.act_greedy), params, keys, 1)
    with opened(env):
        found = evaluate(filmed(env, frames), act, [stream_seed(SEED, 0)], task.measure)
    step = math.ceil(frames[0][0].shape[1] / WIDTH)
    small = [[picture[::step, ::step] for picture in episode] for episode in frames]
    return Film(tiled(small), float(found.metrics[task.measures[0].name].mean()))


def first(folder: Path) -> Restored:
    """What acted before the first update of a run that has begun with another policy.

    Raises:
      InputError: if it has begun with random numbers, or what it has begun with is gone.
    """
    config = restore.recorded(folder)
    if not config.init_from or config.normalize_observations:
        raise InputError("the run has begun with random weights, or with statistics of its data.")
    devices.start()
    built = build.experiment(config, jax.local_devices()[:1])
    layout, example = built.layout, build.example(config, built.task)
    keys = initial_keys(built.seeds).agent
    agent = built.plan[0].agent.init(layout.split(keys), layout.replicate(example))
    nothing = cast("Any", None)  # of what does not act
    begun = RunState(agent, nothing, nothing, nothing, Progress(), nothing)
    begun, _ = initialize(config, built, begun, recorded_source(config, folder))
    notes = {"updates": 0, "env_steps": 0, "phase": 0}
    found = restore.of_state(config, built, layout.merge(begun.agent), notes)
    return restore.of_images(found, folder) if encoding.is_cached(config) else found
