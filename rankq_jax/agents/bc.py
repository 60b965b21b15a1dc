"""Behavior cloning."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rankq_jax.agents.optimizers import Optimizers
from rankq_jax.agents.spec import agent
from rankq_jax.agents.state import (
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
from rankq_jax.networks import Networks
from rankq_jax.types import Agent, Key, Metrics, Params, Transition


class BCState(NamedTuple):
    """What behavior cloning carries."""

    step: jax.Array  # [] int32, updates done
    actor: Trainable


@agent("td3")
@checked()
def bc(networks: Networks, optimizers: Optimizers, *, likelihood: Switch = False) -> Agent:
    """Behavior cloning: squared error of the mode, or negative log-likelihood.

    Args:
      networks: a policy; there is no critic.
      optimizers: of the actor.
      likelihood: maximise the density of the recorded actions, else move the policy's mode to them,
        `mean ||pi(s) - a||^2` with the sum over dimensions.

    Raises:
      ValueError: if `likelihood` is asked of a policy without a density.
    """
    policy, optimizer = networks.policy, optimizers.actor
    require(not likelihood or policy.log_density is not None, "bc by likelihood", "a policy with a density")

    def init(key: Key, example: Transition) -> BCState:
        params = policy.init(key, example.observation, example.action)
        return BCState(jnp.zeros((), jnp.int32), trainable(params, optimizer))

    def loss(params: Params, batch: Transition, key: Key) -> tuple[jax.Array, Metrics]:
        distance = squared_distance(policy.mode(params, batch.observation), batch.action)
        metrics = {"squared_error": jnp.mean(distance)}
        if not likelihood:
            return jnp.mean(distance), metrics
        assert policy.log_density is not None
        log_density = policy.log_density(params, batch.observation, batch.action, key)
        return -jnp.mean(log_density), metrics

    step = gradient_step(loss, optimizer)

    def update(state: BCState, batch: Transition, key: Key) -> tuple[BCState, Metrics]:
        actor, metrics = step(state.actor, batch, key)
        return BCState(state.step + 1, actor), prefixed(actor=metrics)

    return Agent(init, update, sampling(policy), greedy(policy), params=lambda state: state.actor.params)
