"""Implicit Q-learning: it never evaluates an action that is not in the data."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from rankq_jax.agents.imitation import DATA, imitated
from rankq_jax.agents.objectives import td_loss
from rankq_jax.agents.optimizers import Optimizers
from rankq_jax.agents.spec import agent
from rankq_jax.agents.state import (
    Trainable,
    copied,
    gradient_step,
    greedy,
    prefixed,
    require,
    sampling,
    trainable,
    valuing,
)
from rankq_jax.bounds import NonNegative, OpenUnitInterval, Positive, Rate, checked
from rankq_jax.losses import advantage_weight, ensemble_min, expectile, td_target
from rankq_jax.networks import Networks
from rankq_jax.types import Agent, Critic, Key, Metrics, Params, Transition


class IQLState(NamedTuple):
    """What IQL carries."""

    step: jax.Array  # [] int32, updates done
    actor: Trainable
    critic: Trainable
    value: Trainable
    target_critic: Params


def _pessimistic(critic: Critic, params: Params, observation: jax.Array, action: jax.Array) -> jax.Array:
    """`[B]`: the minimum over members."""
    return ensemble_min(critic.apply(params, observation, action))


@agent("iql")
@checked()
def iql(
    networks: Networks,
    optimizers: Optimizers,
    *,
    expectile_level: OpenUnitInterval = 0.7,
    inverse_temperature: NonNegative = 3.0,
    weight_limit: Positive = 100.0,
    target_rate: Rate = 0.005,
    imitation: str = DATA,
    weight_of: str = DATA,
) -> Agent:
    """Implicit Q-learning (arXiv 2110.06169), in the order of its code: value, policy, critic, target critic.

    The policy's advantage and the critic's target read the value network that this update has just moved;
    the value and the advantage read the target critic.

    Args:
      networks: a policy with a density of given actions, a critic, a state value.
      optimizers: of all three.
      expectile_level: tau of Eq. 5, in (0, 1).
      inverse_temperature: beta of Eq. 7; 0 weighs all rows alike.
      weight_limit: largest weight of a row.
      target_rate: Polyak rate of the target critic.
      imitation: which actions the policy regresses to, see `imitation.imitated`.
      weight_of: whose advantage is the weight.

    Raises:
      ValueError: if the policy has no density, or a value is out of bounds.
    """
    policy, critic, v, _ = networks
    require(policy.log_density is not None, "iql", "a policy with a density")
    assert policy.log_density is not None
    log_density_of = policy.log_density

    def init(key: Key, example: Transition) -> IQLState:
        k_actor, k_critic, k_value = jax.random.split(key, 3)
        q = critic.init(k_critic, example.observation, example.action)
        actor = policy.init(k_actor, example.observation, example.action)
        return IQLState(
            step=jnp.zeros((), jnp.int32),
            actor=trainable(actor, optimizers.actor),
            critic=trainable(q, optimizers.critic),
            value=trainable(v.init(k_value, example.observation), optimizers.value),
            target_critic=copied(q),
        )

    def value_loss(params: Params, batch: Transition, q: jax.Array) -> tuple[jax.Array, Metrics]:
        difference = q - v.apply(params, batch.observation)
        return jnp.mean(expectile(difference, expectile_level)), {"advantage": jnp.mean(difference)}

    def actor_loss(
        params: Params, batch: Transition, weight: jax.Array, key: Key
    ) -> tuple[jax.Array, Metrics]:
        target = imitated(batch, imitation)
        log_density = log_density_of(params, batch.observation, target, key)
        metrics = {"weight": jnp.mean(weight), "log_density": jnp.mean(log_density)}
        return jnp.mean(-weight * log_density), metrics

    step_value = gradient_step(value_loss, optimizers.value)
    step_actor = gradient_step(actor_loss, optimizers.actor)
    step_critic = gradient_step(td_loss(critic), optimizers.critic)

    def update(state: IQLState, batch: Transition, key: Key) -> tuple[IQLState, Metrics]:
        pessimistic = functools.partial(_pessimistic, critic, state.target_critic, batch.observation)
        q_data = pessimistic(batch.action)
        new_value, value_metrics = step_value(state.value, batch, q_data)
        q_weight = q_data if weight_of == DATA else pessimistic(imitated(batch, weight_of))
        advantage = q_weight - v.apply(new_value.params, batch.observation)
        weight = advantage_weight(advantage, inverse_temperature, weight_limit)
        new_actor, actor_metrics = step_actor(state.actor, batch, weight, key)
        next_value = v.apply(new_value.params, batch.next_observation)
        target = td_target(batch.reward, batch.discount, next_value)
        new_critic, critic_metrics = step_critic(state.critic, batch, target)
        new_state = IQLState(
            step=state.step + 1,
            actor=new_actor,
            critic=new_critic,
            value=new_value,
            target_critic=optax.incremental_update(new_critic.params, state.target_critic, target_rate),
        )
        return new_state, prefixed(critic=critic_metrics, actor=actor_metrics, value=value_metrics)

    params, values = lambda state: state.actor.params, valuing(critic)
    return Agent(init, update, sampling(policy), greedy(policy), params, values=values)
