"""Evaluates the newest checkpoint of a run, its best one, or a file of weights, with the greedy policy.

rankq evaluate --workdir=DIR --episodes=100 [--video=FILE.gif] [--config.ALGORITHM.ARGUMENT=VALUE]
rankq evaluate --weights=FILE.npz --task=TASK
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np

from rankq_jax.cli import video
from rankq_jax.configs.changes import arguments_in
from rankq_jax.envs.filming import filmed
from rankq_jax.envs.rollout import opened
from rankq_jax.envs.streams import stream_seed
from rankq_jax.errors import InputError
from rankq_jax.evaluation import evaluate, for_all_rows
from rankq_jax.lifting import jit_act
from rankq_jax.tasks import Task, find
from rankq_jax.trained_policies import load_weights, located
from rankq_jax.training import weights
from rankq_jax.training.acting import with_arguments
from rankq_jax.training.restore import Restored, restore

FILMED = 3  # episodes of a video


def restored_of(values: argparse.Namespace) -> Restored:
    """What the flags `--workdir` and `--best`, or `--weights` and `--task`, name.

    Raises:
      InputError: if not one of them is given, or it cannot be read.
    """
    if values.weights is None:
        if values.workdir is None:
            raise InputError("--workdir: missing, and --weights too; give one of them.")
        return restore(values.workdir, values.best)
    other = "--workdir" if values.workdir is not None else "--best"
    if values.workdir is not None or values.best:
        raise InputError(f"--weights={values.weights}: has no use for {other}; leave one of them out.")
    path = located(values.weights)
    try:
        return weights.as_restored(load_weights(path), values.task)
    except InputError as error:
        raise InputError(f"--weights={values.weights}: {str(error).removeprefix(f'{path}: ')}") from error


def _task(values: argparse.Namespace, restored: Restored) -> Task:
    """The task to evaluate in: that of the run, or another one that looks the same to a policy."""
    own, source = restored.built.task, values.workdir or values.weights
    task = own if values.task is None else find(values.task)
    if task.recorded:
        raise InputError(
            f"{source}: its task {task.name!r} is a dataset without an environment "
            "to evaluate in; `rankq export` writes its policy, which runs anywhere."
        )
    for what, there, here in zip(("observations", "actions"), own.spec.words, task.spec.words, strict=True):
        if there != here:
            raise InputError(
                f"--task={task.name}: its {what} are {here}, those of {source} are {there}; choose a task "
                "with the same."
            )
    return task


def main(values: argparse.Namespace) -> None:
    """Prints the means of each seed over the episodes that the values of the flags ask for."""
    if values.video is not None:
        video.check(values.video)
    given = arguments_in(values.words)
    restored = with_arguments(restored_of(values), given)
    task, seeds = _task(values, restored), restored.built.seeds
    make, frames = task.environment, list[list[np.ndarray]]()
    if values.video is not None:
        make, frames = task.drawn or make, [[] for _ in range(min(FILMED, values.episodes))]
    env = make(len(seeds) * values.episodes, restored.config.threads)
    keys = jax.vmap(jax.random.key)(jnp.asarray(seeds, jnp.uint32))
    starts = [stream_seed(seed, values.seed) for seed in seeds]
    act = for_all_rows(jit_act(restored.agent.act_greedy), restored.params, keys, len(seeds))
    if frames and env.render is None:
        raise InputError(f"--video={values.video}: task {task.name!r} cannot be drawn; leave it out.")
    with opened(env):
        result = evaluate(filmed(env, frames) if frames else env, act, starts, task.measure)
    for i, seed in enumerate(seeds):
        means = task.means(result.metrics, i)
        told = ", ".join(f"{name.replace('_', ' ')} {mean:.3f}" for name, mean in means.items())
        print(f"seed {seed}: {told} ({values.episodes} episodes)")
    if frames:
        video.write(values.video, [picture for film in frames for picture in film], values.fps)
        print(f"video: {values.video}, of seed {seeds[0]}")
