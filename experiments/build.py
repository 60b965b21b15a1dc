"""From configuration values to typed objects. Below this file nothing knows ml_collections."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import ml_collections
import numpy as np
import optax

from experiments import bounds
from rankq_jax import tasks
from rankq_jax.agents import AGENTS, Optimisers, Parts
from rankq_jax.data import mixture
from rankq_jax.data.prepare import RewardTransform, prepare
from rankq_jax.errors import InputError, suggestion
from rankq_jax.lifting import repeated, sampled, seeded
from rankq_jax.loop import World
from rankq_jax.networks import ensemble, tanh_gaussian
from rankq_jax.parallel import (
    Layout,
    averaged,
    batch_over_devices,
    cross_device_mean,
    distributed,
    seeds_over_devices,
)
from rankq_jax.phases import Phase
from rankq_jax.tasks import Task
from rankq_jax.types import Agent, Schedule, Transition


class Experiment(NamedTuple):
    """A configured run, ready for `loop.run`."""

    task: Task
    seeds: list[int]
    layout: Layout
    plan: tuple[Phase, ...]
    parts: Parts


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise InputError(message)


def layout_of(config: ml_collections.ConfigDict, devices: Sequence[jax.Device]) -> Layout:
    """How the seeds lie on the devices.

    Raises:
      InputError: if `config.parallel` is unknown or does not fit the number of seeds.
    """
    if config.parallel == "seeds":
        return seeds_over_devices(config.seeds, devices)
    if config.parallel == "batch":
        _check(config.seeds == 1, "--config.parallel=batch trains one seed; set --config.seeds=1.")
        _check(
            config.batch_size % len(devices) == 0,
            f"--config.batch_size={config.batch_size} does not divide over {len(devices)} devices.",
        )
        return batch_over_devices(devices)
    known = suggestion(config.parallel, ["seeds", "batch"])
    raise InputError(f"--config.parallel: unknown value {config.parallel!r}.{known}")


def _optimiser(rate: float, max_norm: float, mean: bool) -> optax.GradientTransformation:
    links = [cross_device_mean()] if mean else []
    if max_norm > 0:
        links.append(optax.clip_by_global_norm(max_norm))
    return optax.chain(*links, optax.adam(rate))


def parts_of(config: ml_collections.ConfigDict, action_size: int) -> Parts:
    """Networks and optimisers. A dual variable is a scalar: it is never clipped."""
    mean, norm = config.parallel == "batch", config.max_gradient_norm
    actor_rate, critic_rate = config.actor_learning_rate, config.critic_learning_rate
    return Parts(
        policy=tanh_gaussian(config.actor_hidden, action_size),
        critic=ensemble(config.critic_hidden, config.critics),
        optimisers=Optimisers(
            actor=_optimiser(actor_rate, norm, mean),
            critic=_optimiser(critic_rate, norm, mean),
            duals={
                "temperature": _optimiser(actor_rate, 0.0, mean),
                "cql_weight": _optimiser(critic_rate, 0.0, mean),
            },
        ),
        action_size=action_size,
    )


def agent_of(config: ml_collections.ConfigDict, algorithm: str, parts: Parts) -> Agent:
    """The agent of that name with the arguments of its section of the configuration.

    Raises:
      InputError: if the registry has no such agent, or an argument's value is refused.
    """
    if algorithm not in AGENTS:
        raise InputError(f"unknown algorithm {algorithm!r}.{suggestion(algorithm, AGENTS)}")
    try:
        return AGENTS[algorithm](parts, **config.get(algorithm, ml_collections.ConfigDict()))
    except ValueError as error:
        raise InputError(f"--config.{algorithm}: {error}.") from error


def _lifted(agent: Agent, config: ml_collections.ConfigDict, layout: Layout, block: int) -> Agent:
    per_device = config.batch_size // (layout.devices if config.parallel == "batch" else 1)
    agent = repeated(sampled(agent, mixture.uniform(per_device)), block)
    if config.parallel == "batch":
        agent = averaged(agent)
    return distributed(seeded(agent, mixture.SEED_AXES), layout, mixture.SEED_AXES)


def _mixing(online: ml_collections.ConfigDict) -> Schedule:
    if online.mixing_anneal <= 0:
        return lambda env_steps: online.mixing_ratio
    return optax.linear_schedule(online.mixing_ratio, online.mixing_ratio_final, online.mixing_anneal)


def _rounds(total: int, per_round: int, field: str) -> int:
    _check(
        per_round > 0 and total % per_round == 0,
        f"--config.{field}={total} is not a multiple of the {per_round} of one round.",
    )
    return total // per_round


def plan_of(
    config: ml_collections.ConfigDict, parts: Parts, layout: Layout, horizon: int
) -> tuple[Phase, ...]:
    """The offline and the online phase, each left out if it is empty.

    Raises:
      InputError: names the field whose value does not fit.
    """
    phases = []
    if config.offline.updates > 0:
        offline = config.offline
        agent = agent_of(config, offline.algorithm or config.algorithm, parts)
        phases.append(
            Phase(
                name="offline",
                agent=_lifted(agent, config, layout, offline.updates_per_round),
                rounds=_rounds(offline.updates, offline.updates_per_round, "offline.updates"),
                collect=0,
                updates=offline.updates_per_round,
                updates_per_step=0.0,
                block=offline.updates_per_round,
                mixing_ratio=lambda env_steps: 1.0,
                warmup=0,
                evaluate_every=offline.evaluate_every,
                checkpoint_every=offline.checkpoint_every,
            )
        )
    if config.online.env_steps > 0:
        online = config.online
        agent = agent_of(config, online.algorithm or config.algorithm, parts)
        collect = _rounds(online.env_steps_per_round, config.train_envs, "online.env_steps_per_round")
        _check(
            online.mixing_ratio != 0.0 or online.warmup >= config.train_envs * horizon,
            f"--config.online.mixing_ratio=0 uses no offline data, so --config.online.warmup must be at "
            f"least {config.train_envs * horizon} (train_envs times the horizon).",
        )
        phases.append(
            Phase(
                name="online",
                agent=_lifted(agent, config, layout, online.updates_per_dispatch),
                rounds=_rounds(online.env_steps, online.env_steps_per_round, "online.env_steps"),
                collect=collect,
                updates=0,
                updates_per_step=online.updates_per_step,
                block=online.updates_per_dispatch,
                mixing_ratio=_mixing(online),
                warmup=online.warmup,
                evaluate_every=online.evaluate_every,
                checkpoint_every=online.checkpoint_every,
            )
        )
    _check(bool(phases), "--config.offline.updates=0 and --config.online.env_steps=0: nothing to do.")
    return tuple(phases)


def experiment(config: ml_collections.ConfigDict) -> Experiment:
    """Task, agents and plan of a configuration; nothing is read from disk.

    Raises:
      InputError: if a value is wrong.
    """
    bounds.check(config)
    task = tasks.find(config.task)
    probe = task.environment(1, 1)
    layout = layout_of(config, jax.local_devices())
    parts = parts_of(config, probe.action_size)
    return Experiment(
        task=task,
        seeds=[config.seed + i for i in range(config.seeds)],
        layout=layout,
        plan=plan_of(config, parts, layout, probe.horizon),
        parts=parts,
    )


def reward_transform(config: ml_collections.ConfigDict, task: Task) -> RewardTransform:
    """The transform of every reward of a run, offline and online."""
    return task.transform._replace(scale=config.reward_scale, bias=config.reward_bias)


def world(config: ml_collections.ConfigDict, built: Experiment, dataset: Transition) -> World:
    """The environments of all seeds and the data they learn from."""
    task, seeds, transform = built.task, len(built.seeds), reward_transform(config, built.task)
    return World(
        env=task.environment(seeds * config.train_envs, config.threads),
        evaluation_env=task.environment(seeds * config.evaluation_episodes, config.threads),
        dataset=dataset,
        prepare=lambda episodes: prepare(episodes, transform, config.discount),
        capacity=min(config.replay_capacity, max(config.online.env_steps, 1)),
        seeds=built.seeds,
    )


def example(task: Task) -> Transition:
    """One transition of zeros in the task's shapes, which is all that `Agent.init` looks at."""
    env = task.environment(1, 1)
    observation = np.zeros((1, env.observation_size), np.float32)
    scalar = np.zeros(1, np.float32)
    extras: dict[str, Any] = {"success": scalar, "mc_return": scalar}
    action = np.zeros((1, env.action_size), np.float32)
    return Transition(observation, action, scalar, scalar, observation, extras)
