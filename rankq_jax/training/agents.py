"""From configuration values to networks, optimizers and lifted agents."""

from collections.abc import Mapping, Sequence
from typing import Any

import optax
from optax import contrib

from rankq_jax.agents import AGENTS, Optimizers, clip_members, jitter_colors, shift_images, train_encoder
from rankq_jax.bounds import arguments
from rankq_jax.configs import RunConfig, algorithms_of
from rankq_jax.configs.fields import MUON
from rankq_jax.data import mixture
from rankq_jax.errors import InputError
from rankq_jax.lifting import normalize_observations
from rankq_jax.loop.agents import SamplerFactory, lift, lift_diagnostics
from rankq_jax.networks import FAMILIES, Networks, noisy
from rankq_jax.parallel import Layout, cross_device_mean
from rankq_jax.phases import Diagnostics
from rankq_jax.specs import TaskSpec
from rankq_jax.training.execution import arithmetic_of, execution_of, seeds_of_device
from rankq_jax.types import Agent, Schedule, Transition

# Fields that networks have as arguments of the same name.
SIZES = ("actor_hidden", "critic_hidden", "critics", "critic_layer_norm", "actor_dropout")
FLOW = ("flow_noise", "flow_steps")
IMITATES = "flow_bc"  # a flow policy without noise, whose steps are its own argument
ENCODER_SIZES = ("encoder", "encoder_filters", "encoder_features")


def check(condition: bool, message: str) -> None:
    """Refuses a configuration.

    Raises:
      InputError: with the message, unless the condition holds.
    """
    if not condition:
        raise InputError(message)


def _optimizer(
    rule: optax.GradientTransformation, clip: optax.GradientTransformation | None, mean: bool
) -> optax.GradientTransformation:
    links = [cross_device_mean()] if mean else []
    return optax.chain(*links, *([] if clip is None else [clip]), rule)


def _actor_rule(config: RunConfig) -> optax.GradientTransformation:
    """Adam or AdamW; or Muon for matrices, and NAdamW with the same rate for all other parameters.

    Muon steps along the nearest orthogonal matrix of the averaged gradient (Jordan et al. 2024).
    """
    rate, decay = _actor_rate(config), config.actor_weight_decay
    if config.actor_optimizer == MUON:
        return contrib.muon(rate, weight_decay=decay, adam_weight_decay=decay)
    return optax.adamw(rate, weight_decay=decay) if decay else optax.adam(rate)


def _actor_rate(config: RunConfig) -> float | Schedule:
    """The policy's learning rate: constant, or rising over the warm-up, and then falling over the phase."""
    rate, rising = config.actor_learning_rate, config.actor_warmup
    after: float | Schedule = rate
    if config.actor_cosine_decay and config.online.env_steps == 0:
        left = max(config.offline.updates - rising, 1)
        after = optax.cosine_decay_schedule(rate, left, config.actor_final_rate)
    if not rising:
        return after
    later = after if callable(after) else optax.constant_schedule(after)
    return optax.join_schedules([optax.linear_schedule(0.0, rate, rising), later], [rising])


def _clips(norm: float, groups: str) -> Sequence[optax.GradientTransformation | None]:
    """How the gradient of a network, of the critic and of a dual variable is clipped; None: not at all."""
    if norm <= 0:
        return None, None, None
    whole = optax.clip_by_global_norm(norm)
    return (whole, whole, None) if groups == "networks" else (whole, clip_members(norm), whole)


def networks_of(config: RunConfig, spec: TaskSpec | int) -> Networks:
    """The networks of a configuration, for a task, or for actions of so many numbers.

    Raises:
      InputError: if one of their values is refused.
    """
    execution, family, further = execution_of(config.execution), FAMILIES[config.networks], dict[str, Any]()
    if config.encoder != "auto" or (isinstance(spec, TaskSpec) and not spec.flat):
        further = {name: getattr(config, name) for name in ENCODER_SIZES}
    if "readout" in arguments(family):
        further |= {"readout": config.readout, "critic_actions": config.critic_actions}
    try:
        made = family(
            spec,
            **{name: getattr(config, name) for name in SIZES},
            unrolled_critics=execution.critics == "unrolled",
            arithmetic=arithmetic_of(execution),
            **further,
        )
        return _with_noise(made, config) if config.flow_noise else made
    except ValueError as error:
        raise InputError(f"config.networks={config.networks}: {error}.") from error


def _with_noise(made: Networks, config: RunConfig) -> Networks:
    """The networks whose flow policy has noise.

    Raises:
      ValueError: if the policy is none, or something imitates it.
    """
    if IMITATES in algorithms_of(config):
        raise ValueError(f"{IMITATES} trains the velocity alone; set config.flow_noise=False")
    steps, arithmetic = config.flow_steps, arithmetic_of(execution_of(config.execution))
    try:
        return made._replace(policy=noisy(made.policy, made.action_size, steps, arithmetic=arithmetic))
    except ValueError as error:
        raise ValueError(f"{error}; set config.flow_noise=False") from error


def refuse_data(networks: Networks, dataset: Transition) -> None:
    """Refuses observations whose values the networks have no place for.

    Raises:
      InputError: names the array and both values.
    """
    flow = networks.policy.flow
    if flow is None or flow.refuse is None:
        return
    try:
        flow.refuse(dataset.observation)
    except ValueError as error:
        raise InputError(f"the dataset does not fit config.networks: {error}.") from error


def optimizers_of(config: RunConfig) -> Optimizers:
    """The optimizers of a configuration; what is clipped by itself says `config.clip_groups`."""
    mean = config.parallel == "batch"
    clip, clip_critic, clip_dual = _clips(config.max_gradient_norm, config.clip_groups)
    actor_rate, critic_rate = config.actor_learning_rate, config.critic_learning_rate
    return Optimizers(
        actor=_optimizer(_actor_rule(config), clip, mean),
        critic=_optimizer(optax.adam(critic_rate), clip_critic, mean),
        value=_optimizer(optax.adam(critic_rate), clip, mean),
        dual=_optimizer(optax.adam(actor_rate), clip_dual, mean),
        duals={"cql_weight": _optimizer(optax.adam(critic_rate), clip_dual, mean)},
    )


def agent_of(config: RunConfig, algorithm: str, networks: Networks, arguments: Mapping[str, Any]) -> Agent:
    """The agent of that name with the arguments of its section, and then those given.

    Raises:
      InputError: if the value of an argument is refused.
    """
    section = config.sections.get(algorithm, {})
    try:
        agent = train_encoder(
            AGENTS[algorithm].make,
            networks,
            optimizers_of(config),
            config.encoder_training,
            **{**section, **arguments},
        )
        agent = agent._replace(name=algorithm)
    except ValueError as error:
        raise InputError(f"config.{algorithm}: {error}.") from error
    agent = shift_images(agent, config.image_shift) if config.image_shift else agent
    agent = jitter_colors(agent, config.color_jitter) if config.color_jitter else agent
    return normalize_observations(agent) if config.normalize_observations else agent


def lifted(
    agent: Agent, config: RunConfig, layout: Layout, block: int, draw: SamplerFactory = mixture.uniform
) -> Agent:
    """`agent` on the devices of `layout`: `block` updates per call, from batches that it draws itself."""
    execution = execution_of(config.execution, seeds=seeds_of_device(config, layout.devices))
    return lift(
        agent,
        layout,
        batch_size=batch_rows(config, layout, agent.name),
        updates_per_dispatch=block,
        draw=draw,
        sequential=execution.seeds == "sequential",
        ahead=execution.draws == "before",
        shared_batch=config.parallel == "batch",
        on_disk=config.dataset_storage == "disk",
    )


def diagnosed(
    agent: Agent, config: RunConfig, layout: Layout, draw: SamplerFactory = mixture.uniform
) -> Diagnostics | None:
    """The diagnostics of an agent's critic, on one batch of the updates' size."""
    execution = execution_of(config.execution, seeds=seeds_of_device(config, layout.devices))
    return lift_diagnostics(
        agent,
        layout,
        config.diagnostics_every,
        batch_size=_rows(config, layout),
        draw=draw,
        sequential=execution.seeds == "sequential",
        on_disk=config.dataset_storage == "disk",
    )


def _rows(config: RunConfig, layout: Layout) -> int:
    """Rows of one batch on a device."""
    return config.batch_size // (layout.devices if config.parallel == "batch" else 1)


def batch_rows(config: RunConfig, layout: Layout, algorithm: str) -> int:
    """Rows that a device draws for an update."""
    return _rows(config, layout) * AGENTS[algorithm].batches_per_update(**config.sections.get(algorithm, {}))
