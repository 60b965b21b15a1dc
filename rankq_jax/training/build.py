"""From a configuration to what trains: task, agents, phases, environments."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

from rankq_jax import configs
from rankq_jax.agents import reads
from rankq_jax.agents.encoders import SharedWithoutCritic
from rankq_jax.configs import OnlineConfig, RunConfig, algorithms_of
from rankq_jax.configs.run_config import phases_of
from rankq_jax.data import mixture
from rankq_jax.data.prepare import RewardTransform, prepare, with_preferences
from rankq_jax.errors import InputError
from rankq_jax.lifting import adapt
from rankq_jax.loop import Setup, parts
from rankq_jax.loop.agents import SamplerFactory
from rankq_jax.networks import Networks
from rankq_jax.parallel import Layout, batch_over_devices, seeds_over_devices
from rankq_jax.phases import Phase
from rankq_jax.specs import seen
from rankq_jax.tasks import Task
from rankq_jax.training import encoding
from rankq_jax.training.agents import agent_of, batch_rows, check, lifted, networks_of
from rankq_jax.training.devices import Devices, devices_of
from rankq_jax.types import PREFERRED_ACTION, WAYPOINT, Agent, Episodes, Schedule, Transition


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


def _mixing(online: OnlineConfig) -> Schedule:
    if online.mixing_anneal <= 0:
        return lambda env_steps: online.mixing_ratio
    return optax.linear_schedule(online.mixing_ratio, online.mixing_ratio_final, online.mixing_anneal)


def _draw(online: OnlineConfig) -> SamplerFactory:
    as_one_buffer = online.merged_exactly and online.mixing_ratio == -1.0 and online.mixing_anneal <= 0
    return mixture.merged if as_one_buffer else mixture.uniform


def _offline(config: RunConfig, agent: Agent, layout: Layout) -> Phase:
    offline = config.offline
    updates, name = offline.updates_per_iteration, "config.offline.updates_per_iteration"
    block = min(offline.updates_per_dispatch, updates)
    parts(name, updates, "config.offline.updates_per_dispatch", block)
    return Phase(
        name="offline",
        agent=lifted(agent, config, layout, block),
        iterations=parts("config.offline.updates", offline.updates, name, updates),
        updates=updates,
        updates_per_dispatch=block,
        draw=mixture.uniform(batch_rows(config, layout, agent.name)),
        evaluate_every=offline.evaluate_every,
        checkpoint_every=offline.checkpoint_every,
    )


def _online(config: RunConfig, agent: Agent, layout: Layout) -> Phase:
    online = config.online
    steps, name = online.env_steps_per_iteration, "config.online.env_steps_per_iteration"
    block = online.updates_per_dispatch
    return Phase(
        name="online",
        agent=lifted(agent, config, layout, block, _draw(online)),
        collect=parts(name, steps, "config.train_envs", config.train_envs),
        iterations=parts("config.online.env_steps", online.env_steps, name, steps),
        updates_per_step=online.updates_per_step,
        updates_per_dispatch=block,
        mixing_ratio=_mixing(online),
        warmup=online.warmup,
        evaluate_every=online.evaluate_every,
        checkpoint_every=online.checkpoint_every,
        overlap=online.overlap,
        draw=_draw(online)(batch_rows(config, layout, agent.name)),
    )


_PHASES = {"offline": _offline, "online": _online}  # what makes the phase of a section


def _plan(
    config: RunConfig, networks: Networks, example: Transition, layout: Layout
) -> tuple[tuple[Phase, ...], Any]:
    """The offline and the online phase, each left out if it is empty, and the shapes of their state.

    Raises:
      InputError: names the field whose value does not fit.
    """
    phases, agents = [], []
    for name, algorithm in phases_of(config).items():
        agent = agent_of(config, algorithm, networks, getattr(config, name).arguments)
        agents.append(agent)
        phases.append(_PHASES[name](config, agent, layout))
    check(bool(phases), "config.offline.updates=0 and config.online.env_steps=0: nothing to do.")
    try:
        states = [jax.eval_shape(agent.init, jax.random.key(0), example) for agent in agents]
    except SharedWithoutCritic as error:
        raise InputError(f"config.encoder_training={config.encoder_training}: {error}.") from error
    try:
        functools.reduce(adapt, states)
    except ValueError as error:
        raise InputError(
            f"config.online.algorithm={config.online.algorithm}: it cannot go on from the state of "
            f"{agents[0].name} ({error}); choose one with the same kind of state."
        ) from error
    return tuple(phases), states[0]


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
    plan, state = _plan(config, networks, example(config, task), layout)
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
    return min(config.replay_capacity, max(config.online.env_steps, 1))


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
