"""What agents carry, and the one gradient step that moves each part of them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from rankq_jax.types import Critic, Key, Metrics, Params, Policy


class Trainable(NamedTuple):
    """Parameters and the state of the optimizer that moves them."""

    params: Params
    opt_state: optax.OptState


class ActorCriticState(NamedTuple):
    """One type for every actor-critic agent, so that a later phase can go on with another one.

    `duals` holds the logarithms of the dual variables that the agent uses; see `lifting.adapt`.
    """

    step: jax.Array  # [] int32, updates done
    actor: Trainable
    critic: Trainable
    target_critic: Params
    duals: dict[str, Trainable]


def require(condition: bool, agent: str, need: str) -> None:
    """Refuses parts that an agent cannot work with.

    Raises:
      ValueError: names the agent and what it needs.
    """
    if not condition:
        raise ValueError(f"{agent} needs {need}; see networks.FAMILIES")


def trainable(params: Params, optimizer: optax.GradientTransformation) -> Trainable:
    """Parameters before their first step."""
    return Trainable(params, optimizer.init(params))


def copied(params: Params) -> Params:
    """The first target network. A copy, because a donated state must not hold one buffer twice."""
    return jax.tree.map(jnp.copy, params)


def prefixed(**groups: Metrics) -> Metrics:
    """`{"critic/td": ..., "actor/loss": ...}` as float32 from one dictionary per group."""
    return {
        f"{group}/{name}": jnp.asarray(value, jnp.float32)
        for group, metrics in groups.items()
        for name, value in metrics.items()
    }


def sampling(policy: Policy) -> Callable[[Params, Any, Key], jax.Array]:
    """`Agent.act` by sampling from the policy."""
    return lambda params, observation, key: policy.sample(params, observation, key)[0]


def greedy(policy: Policy) -> Callable[[Params, Any, Key], jax.Array]:
    """`Agent.act_greedy` by the policy's mode, which draws nothing."""
    return lambda params, observation, key: policy.mode(params, observation)


def valuing(critic: Critic) -> Callable[[Any, Any, jax.Array], jax.Array]:
    """`Agent.values` by the field `critic` of the state."""
    return lambda state, observation, actions: critic.apply_to_set(state.critic.params, observation, actions)


STEP_METRICS = ("loss", "gradient_norm")  # what every gradient step reports beside the metrics of its loss


def gradient_step(
    loss: Callable[..., tuple[jax.Array, Metrics]], optimizer: optax.GradientTransformation
) -> Callable[..., tuple[Trainable, Metrics]]:
    """`(trainable, *args) -> (trainable, metrics)` for `loss(params, *args) -> (scalar, metrics)`."""

    def step(trainable: Trainable, *args: Any) -> tuple[Trainable, Metrics]:
        (value, metrics), gradient = jax.value_and_grad(loss, has_aux=True)(trainable.params, *args)
        updates, opt_state = optimizer.update(gradient, trainable.opt_state, trainable.params)
        metrics = {**metrics, **dict(zip(STEP_METRICS, (value, optax.tree.norm(gradient)), strict=True))}
        return Trainable(optax.apply_updates(trainable.params, updates), opt_state), metrics

    return step
