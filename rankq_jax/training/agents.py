"""From configuration values to networks, optimisers and lifted agents."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optax

from rankq_jax.agents import AGENTS, Optimisers, Parts, clip_members
from rankq_jax.configs import RunConfig
from rankq_jax.data import mixture
from rankq_jax.errors import InputError, suggestion
from rankq_jax.lifting import repeated, sampled, seeded, standardised
from rankq_jax.networks import FAMILIES, Sizes
from rankq_jax.parallel import Layout, averaged, cross_device_mean, distributed
from rankq_jax.training.execution import arithmetic_of, execution_of
from rankq_jax.types import Agent, Key, Schedule, Transition

Draw = Callable[[int], Callable[[mixture.Sources, Key], Transition]]  # rows of a batch -> how it is drawn


def check(condition: bool, message: str) -> None:
    """Refuses a configuration.

    Raises:
      InputError: with the message, unless the condition holds.
    """
    if not condition:
        raise InputError(message)


def _optimiser(
    rate: float | Schedule, clip: optax.GradientTransformation | None, mean: bool
) -> optax.GradientTransformation:
    links = [cross_device_mean()] if mean else []
    return optax.chain(*links, *([] if clip is None else [clip]), optax.adam(rate))


def _clips(norm: float, groups: str) -> Sequence[optax.GradientTransformation | None]:
    """How the gradient of a network, of the critic and of a dual variable is clipped; None: not at all."""
    if norm <= 0:
        return None, None, None
    whole = optax.clip_by_global_norm(norm)
    return (whole, whole, None) if groups == "networks" else (whole, clip_members(norm), whole)


def parts_of(config: RunConfig, action_size: int) -> Parts:
    """Networks and optimisers; what is clipped by itself says `config.clip_groups`.

    Raises:
      InputError: if a value of the networks is refused.
    """
    mean = config.parallel == "batch"
    clip, clip_critic, clip_dual = _clips(config.max_gradient_norm, config.clip_groups)
    actor_rate, critic_rate = config.actor_learning_rate, config.critic_learning_rate
    execution = execution_of(config.execution)
    sizes = Sizes(
        actor_hidden=config.actor_hidden,
        critic_hidden=config.critic_hidden,
        critics=config.critics,
        action_size=action_size,
        critic_layer_norm=config.critic_layer_norm,
        actor_dropout=config.actor_dropout,
        unrolled_critics=execution.critics == "unrolled",
        arithmetic=arithmetic_of(execution),
    )
    try:
        policy, critic, value = FAMILIES[config.networks](sizes)
    except ValueError as error:
        raise InputError(f"config.networks={config.networks}: {error}.") from error
    decaying: float | Schedule = actor_rate
    if config.actor_cosine_decay and config.online.env_steps == 0:
        decaying = optax.cosine_decay_schedule(actor_rate, config.offline.updates)
    return Parts(
        policy=policy,
        critic=critic,
        optimisers=Optimisers(
            actor=_optimiser(decaying, clip, mean),
            critic=_optimiser(critic_rate, clip_critic, mean),
            duals={
                "temperature": _optimiser(actor_rate, clip_dual, mean),
                "cql_weight": _optimiser(critic_rate, clip_dual, mean),
            },
            value=_optimiser(critic_rate, clip, mean),
        ),
        action_size=action_size,
        value=value,
    )


def agent_of(config: RunConfig, algorithm: str, parts: Parts, arguments: Mapping[str, Any]) -> Agent:
    """The agent of that name with the arguments of its section, and then those given.

    Raises:
      InputError: if the registry has no such agent, or an argument's value is refused.
    """
    if algorithm not in AGENTS:
        raise InputError(f"unknown algorithm {algorithm!r}.{suggestion(algorithm, AGENTS)}")
    section = config.sections.get(algorithm, {})
    try:
        agent = AGENTS[algorithm](parts, **{**section, **arguments})
    except ValueError as error:
        raise InputError(f"config.{algorithm}: {error}.") from error
    return standardised(agent) if config.standardise else agent


def lifted(
    agent: Agent,
    config: RunConfig,
    algorithm: str,
    layout: Layout,
    block: int,
    draw: Draw = mixture.uniform,
) -> Agent:
    """`agent` on the devices of `layout`: `block` updates per call, from batches that it draws itself."""
    per_device = config.batch_size // (layout.devices if config.parallel == "batch" else 1)
    rows = per_device * config.sections.get(algorithm, {}).get("critic_updates", 1)
    agent = repeated(sampled(agent, draw(rows)), block)
    if config.parallel == "batch":
        agent = averaged(agent)
    sequential = execution_of(config.execution).seeds == "sequential"
    agent = seeded(agent, mixture.of_seed, sequential=sequential)
    return distributed(agent, layout, mixture.DEVICE_AXES)
