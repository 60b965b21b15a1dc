"""From a configuration to what trains: task, agents, phases, environments."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from rankq_jax import configs
from rankq_jax.agents import reads
from rankq_jax.configs import RunConfig, algorithms_of
from rankq_jax.data.prepare import RewardTransform, prepare, with_preferences
from rankq_jax.loop import Setup
from rankq_jax.networks import Networks
from rankq_jax.parallel import Layout, batch_over_devices, seeds_over_devices
from rankq_jax.phases import Phase
from rankq_jax.specs import seen
from rankq_jax.tasks import Task
from rankq_jax.training import encoding, plans
from rankq_jax.training.agents import check, networks_of
from rankq_jax.training.devices import Devices, devices_of
from rankq_jax.types import PREFERRED_ACTION, WAYPOINT, Episodes, Transition


class Experiment(NamedTuple):
    """A configured run, ready for `loop.events`.

    Attributes:
      task: by name from the registry, as agents see it.
      recorded: the same as its recordings see it; another one where observations are encoded, see `encoding`.
      seeds: of the learners.
      layout: of the seeds on the devices.
      plan: the phases.
      networks: of every phase.
      acting: see `Devices`.
      training: see `Devices`.
      state: shapes and types of the agent's state of one seed.
    """

    task: Task
    recorded: Task
    seeds: list[int]
    layout: Layout
    plan: tuple[Phase, ...]
    networks: Networks
    acting: jax.Device | None
    training: Sequence[jax.Device]
    state: Any


def _layout(config: RunConfig, devices: Sequence[jax.Device]) -> Layout:
    if config.parallel == "seeds":
        return seeds_over_devices(config.seeds, devices)
    check(config.seeds == 1, "config.parallel=batch trains one seed; set config.seeds=1.")
    check(
        config.batch_size % len(devices) == 0,
        f"config.batch_size={config.batch_size} does not divide over {len(devices)} devices.",
    )
    return batch_over_devices(devices)


def experiment(config: RunConfig, devices: Sequence[jax.Device] | None = None) -> Experiment:
    """Task, agents and plan of a configuration; nothing is read from disk.

    Args:
      config: the configuration.
      devices: that are used, for acting too; by default those that `devices_of` finds.

    Raises:
      InputError: if a value is wrong.
    """
    configs.check(config)
    task = encoding.task_of(config)
    check(
        config.success_weight == "given" or "rankq" in algorithms_of(config),
        "config.success_weight=balanced: belongs to RankQ, which no phase trains; leave it out.",
    )
    check(
        config.online.terminates or task.unending is not None,
        f"config.online.terminates=False: the task {task.name!r} does not end at a success; leave it out.",
    )
    chosen = devices_of(config) if devices is None else Devices(devices, None)
    layout, networks = _layout(config, chosen.training), networks_of(config, task.spec)
    _check_collecting(config, task)
    plan, state = plans.plan(config, networks, example(config, task), layout)
    return Experiment(
        task=task,
        recorded=configs.task_of(config),
        seeds=[config.seed + i for i in range(config.seeds)],
        layout=layout,
        plan=plan,
        networks=networks,
        acting=chosen.acting,
        training=chosen.training,
        state=state,
    )


def _check_collecting(config: RunConfig, task: Task) -> None:
    """Refuses to collect less than an episode, where there is nothing else to learn from.

    Raises:
      InputError: names the fields.
    """
    needed = config.train_envs * task.spec.horizon
    check(
        not 0 < config.collect.env_steps < needed or configs.has_dataset(config),
        f"config.collect.env_steps={config.collect.env_steps}: ends before an episode of {task.spec.horizon} "
        f"steps in each of the config.train_envs={config.train_envs} environments, and there is no dataset; "
        f"choose at least {needed}.",
    )


def reward_transform(config: RunConfig, task: Task) -> RewardTransform:
    """The transform of every reward of a run, offline and online."""
    return task.transform._replace(scale=config.reward_scale, bias=config.reward_bias)


def columns(config: RunConfig, prepared: Transition) -> Transition:
    """`prepared` with the further columns that an algorithm of the configuration reads, and no others."""
    algorithms = algorithms_of(config)
    asking = any(reads(name, PREFERRED_ACTION) for name in algorithms)
    if not any(reads(name, WAYPOINT) for name in algorithms):
        prepared = prepared._replace(extras={k: v for k, v in prepared.extras.items() if k != WAYPOINT})
    return with_preferences(prepared) if asking else prepared


def capacity(config: RunConfig) -> int:
    """The rows of the replay buffer of a seed: no more than are collected."""
    return min(config.replay_capacity, max(config.collect.env_steps + config.online.env_steps, 1))


def world(config: RunConfig, built: Experiment, dataset: Transition) -> Setup:
    """The environments of all seeds and the data they learn from."""
    task, seeds, transform = built.task, len(built.seeds), reward_transform(config, built.task)

    def label(episodes: Episodes) -> Transition:
        return columns(config, prepare(episodes, transform, config.discount))

    environment = task.environment if config.online.terminates else task.unending
    assert environment is not None  # `experiment` refuses what a task cannot do
    return Setup(
        env=environment(seeds * config.train_envs, config.threads),
        evaluation_env=None
        if task.recorded
        else task.environment(seeds * config.evaluation_episodes, config.threads),
        dataset=columns(config, dataset),
        prepare=label,
        capacity=capacity(config),
        seeds=built.seeds,
        acting=built.acting,
        measure=task.measure,
    )


def example(config: RunConfig, task: Task) -> Transition:
    """One transition of zeros in the task's shapes, which is all that `Agent.init` looks at."""
    observation = seen(task.spec.empty(1))
    action, scalar = np.zeros((1, *task.spec.action.shape), np.float32), np.zeros(1, np.float32)
    extras: dict[str, Any] = {"success": scalar, "mc_return": scalar, "next_action": action}
    return columns(config, Transition(observation, action, scalar, scalar, observation, extras))
