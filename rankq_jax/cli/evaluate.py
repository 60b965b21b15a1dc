"""Evaluates the newest checkpoint of a run, or its best one, with the greedy policy.

python -m experiments.evaluate --workdir=DIR --episodes=100
"""

from pathlib import Path

import jax
import jax.numpy as jnp
from absl import flags

from rankq_jax.cli import command
from rankq_jax.envs.batch import stream_seed
from rankq_jax.errors import InputError
from rankq_jax.evaluation import evaluate, for_all_rows
from rankq_jax.lifting import stepwise
from rankq_jax.training import summary
from rankq_jax.training.restore import restore

WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.")
BEST = flags.DEFINE_bool("best", False, "Take the checkpoint of the best evaluation, not the newest.")
EPISODES = flags.DEFINE_integer("episodes", 100, "Episodes per seed.")
SEED = flags.DEFINE_integer("seed", 0, "Of the start states, which training evaluations do not use.")


def main(arguments: list[str]) -> None:
    """Entry point."""
    command.no_more(arguments)
    if EPISODES.value < 1:
        raise InputError(f"--episodes={EPISODES.value} must be at least 1.")
    if SEED.value < 0:
        raise InputError(f"--seed={SEED.value} must not be negative.")
    restored = restore(Path(WORKDIR.value or ""), BEST.value)
    seeds = restored.built.seeds
    env = restored.built.task.environment(len(seeds) * EPISODES.value, restored.config.threads)
    keys = jax.vmap(jax.random.key)(jnp.asarray(seeds, jnp.uint32))
    starts = [stream_seed(seed, SEED.value) for seed in seeds]
    act = for_all_rows(stepwise(restored.agent.mode), restored.params, keys, len(seeds))
    result = evaluate(env, act, starts)
    for i, seed in enumerate(seeds):
        means = {
            name.replace("_", " "): mean
            for name, mean in summary.means(restored.built.task, result, i).items()
        }
        told = ", ".join(f"{name} {mean:.3f}" for name, mean in means.items())
        print(f"seed {seed}: {told} ({EPISODES.value} episodes)")


def start() -> None:
    """Runs the command on the arguments of the process."""
    flags.mark_flag_as_required("workdir")
    command.run(main)


if __name__ == "__main__":
    start()
