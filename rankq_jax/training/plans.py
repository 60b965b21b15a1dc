"""From a configuration to the phases of its run."""

import functools
from typing import Any

import jax
import optax

from rankq_jax import configs
from rankq_jax.agents.encoders import SharedWithoutCritic
from rankq_jax.configs import RunConfig
from rankq_jax.configs.run_config import learning_phase, phases_of
from rankq_jax.data import mixture
from rankq_jax.errors import InputError
from rankq_jax.lifting import adapt
from rankq_jax.loop import parts
from rankq_jax.loop.agents import SamplerFactory
from rankq_jax.networks import Networks
from rankq_jax.parallel import Layout
from rankq_jax.phases import Phase
from rankq_jax.training.agents import agent_of, batch_rows, check, diagnosed, lifted
from rankq_jax.types import Agent, Schedule, Transition


def _mixing(config: RunConfig) -> Schedule:
    """The share of rows of the dataset online."""
    online = config.online
    if not configs.has_dataset(config):
        return lambda env_steps: 0.0
    if online.mixing_anneal <= 0:
        return lambda env_steps: online.mixing_ratio
    moving = optax.linear_schedule(online.mixing_ratio, online.mixing_ratio_final, online.mixing_anneal)
    return lambda env_steps: moving(env_steps - config.collect.env_steps)


def _draw(config: RunConfig) -> SamplerFactory:
    """How online batches are drawn."""
    online = config.online
    merged = online.merged_exactly and online.mixing_ratio == -1.0 and online.mixing_anneal <= 0
    return mixture.merged if merged and configs.has_dataset(config) else mixture.uniform


def _collect(config: RunConfig, agent: Agent, layout: Layout) -> Phase:
    collected = config.collect
    steps, name = collected.env_steps_per_iteration, "config.collect.env_steps_per_iteration"
    return Phase(
        name="collect",
        agent=lifted(agent, config, layout, 1),
        collect=parts(name, steps, "config.train_envs", config.train_envs),
        iterations=parts("config.collect.env_steps", collected.env_steps, name, steps),
        draw=mixture.uniform(batch_rows(config, layout, agent.name)),
    )


def _offline(config: RunConfig, agent: Agent, layout: Layout) -> Phase:
    offline = config.offline
    updates, name = offline.updates_per_iteration, "config.offline.updates_per_iteration"
    block = min(offline.updates_per_dispatch, updates)
    parts(name, updates, "config.offline.updates_per_dispatch", block)
    # What was collected before is drawn as one buffer with the dataset, or alone where there is none.
    collected, recorded = config.collect.env_steps > 0, configs.has_dataset(config)
    draw: SamplerFactory = mixture.merged if collected and recorded else mixture.uniform
    share = 0.0 if not recorded else -1.0 if collected else 1.0
    return Phase(
        name="offline",
        agent=lifted(agent, config, layout, block, draw),
        iterations=parts("config.offline.updates", offline.updates, name, updates),
        updates=updates,
        updates_per_dispatch=block,
        mixing_ratio=lambda env_steps: share,
        draw=draw(batch_rows(config, layout, agent.name)),
        diagnostics=diagnosed(agent, config, layout, draw),
        evaluate_every=offline.evaluate_every,
        checkpoint_every=offline.checkpoint_every,
    )


def _online(config: RunConfig, agent: Agent, layout: Layout) -> Phase:
    online = config.online
    steps, name = online.env_steps_per_iteration, "config.online.env_steps_per_iteration"
    block, draw = online.updates_per_dispatch, _draw(config)
    return Phase(
        name="online",
        agent=lifted(agent, config, layout, block, draw),
        collect=parts(name, steps, "config.train_envs", config.train_envs),
        iterations=parts("config.online.env_steps", online.env_steps, name, steps),
        updates_per_step=online.updates_per_step,
        updates_per_dispatch=block,
        mixing_ratio=_mixing(config),
        warmup=online.warmup,
        evaluate_every=online.evaluate_every,
        checkpoint_every=online.checkpoint_every,
        overlap=online.overlap,
        draw=draw(batch_rows(config, layout, agent.name)),
        diagnostics=diagnosed(agent, config, layout, draw),
    )


_PHASES = {"collect": _collect, "offline": _offline, "online": _online}  # what makes the phase of a section


def plan(
    config: RunConfig, networks: Networks, example: Transition, layout: Layout
) -> tuple[tuple[Phase, ...], Any]:
    """The phases, those left out that are empty, and the shapes of the state of the first one.

    Args:
      config: the configuration.
      networks: of every phase.
      example: rows `[B, ...]` that the agents' states are made for.
      layout: of the seeds on the devices.

    Raises:
      InputError: names the field whose value does not fit.
    """
    nothing = config.offline.updates == config.online.env_steps == 0
    check(not nothing, "config.offline.updates=0 and config.online.env_steps=0: nothing to do.")
    phases, agents = [], []
    for name, algorithm in phases_of(config).items():
        arguments = config.online.arguments if learning_phase(config, name) == "online" else {}
        agent = agent_of(config, algorithm, networks, arguments)
        agents.append(agent)
        phases.append(_PHASES[name](config, agent, layout))
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
