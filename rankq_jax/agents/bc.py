"""Behaviour cloning."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rankq_jax.agents.state import (
    Parts,
    Trainable,
    gradient_step,
    greedy,
    prefixed,
    require,
    sampling,
    trainable,
)
from rankq_jax.bounds import Switch, checked
from rankq_jax.losses import squared_distance
from rankq_jax.types import Agent, Key, Metrics, Params, Transition


class BCState(NamedTuple):
    """What behaviour cloning carries."""

    step: jax.Array  # [] int32, updates done
    actor: Trainable


@checked()
def bc(parts: Parts, *, likelihood: Switch = False) -> Agent:
    """Behaviour cloning: squared error of the mode, or negative log-likelihood.

    Args:
      parts: policy and the actor's optimiser; there is no critic.
      likelihood: maximise the density of the recorded actions, else move the policy's mode to them,
        `mean ||pi(s) - a||^2` with the sum over dimensions.

    Raises:
      ValueError: if `likelihood` is asked of a policy without a density.
    """
    policy, optimiser = parts.policy, parts.optimisers.actor
    require(not likelihood or policy.log_density is not None, "bc by likelihood", "a policy with a density")

    def init(key: Key, example: Transition) -> BCState:
        params = policy.init(key, example.observation, example.action)
        return BCState(jnp.zeros((), jnp.int32), trainable(params, optimiser))

    def loss(params: Params, batch: Transition, key: Key) -> tuple[jax.Array, Metrics]:
        distance = squared_distance(policy.mode(params, batch.observation), batch.action)
        metrics = {"squared_error": jnp.mean(distance)}
        if not likelihood:
            return jnp.mean(distance), metrics
        assert policy.log_density is not None
        log_density = policy.log_density(params, batch.observation, batch.action, key)
        return -jnp.mean(log_density), metrics

    step = gradient_step(loss, optimiser)

    def update(state: BCState, batch: Transition, key: Key) -> tuple[BCState, Metrics]:
        actor, metrics = step(state.actor, batch, key)
        return BCState(state.step + 1, actor), prefixed(actor=metrics)

    return Agent(init, update, sampling(policy), greedy(policy), params=lambda state: state.actor.params)
