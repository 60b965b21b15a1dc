"""Evaluates the newest checkpoint of a run, or its best one, with the greedy policy.

rankq evaluate --workdir=DIR --episodes=100
"""

import argparse

import jax
import jax.numpy as jnp

from rankq_jax.envs.batch import stream_seed
from rankq_jax.envs.rollout import opened
from rankq_jax.errors import InputError
from rankq_jax.evaluation import evaluate, for_all_rows
from rankq_jax.lifting import jit_act
from rankq_jax.training.restore import restore


def main(values: argparse.Namespace) -> None:
    """Prints the means of each seed over the episodes that the values of the flags ask for."""
    restored = restore(values.workdir, values.best)
    if restored.built.task.recorded:
        raise InputError(
            f"{values.workdir}: its task {restored.config.task!r} is a dataset without an environment to "
            "evaluate in; `rankq export` writes its policy, which runs anywhere."
        )
    seeds = restored.built.seeds
    env = restored.built.task.environment(len(seeds) * values.episodes, restored.config.threads)
    keys = jax.vmap(jax.random.key)(jnp.asarray(seeds, jnp.uint32))
    starts = [stream_seed(seed, values.seed) for seed in seeds]
    act = for_all_rows(jit_act(restored.agent.act_greedy), restored.params, keys, len(seeds))
    with opened(env):
        result = evaluate(env, act, starts, restored.built.task.measure)
    for i, seed in enumerate(seeds):
        means = restored.built.task.means(result.metrics, i)
        told = ", ".join(f"{name.replace('_', ' ')} {mean:.3f}" for name, mean in means.items())
        print(f"seed {seed}: {told} ({values.episodes} episodes)")
