"""AWAC: actor-critic whose policy is regressed to the data by its advantage."""

import functools

import jax
import jax.numpy as jnp
import optax

from rankq_jax.agents.actor_critic import initial
from rankq_jax.agents.backups import max_target_backup
from rankq_jax.agents.objectives import td_loss
from rankq_jax.agents.optimizers import Optimizers
from rankq_jax.agents.spec import agent
from rankq_jax.agents.state import (
    ActorCriticState,
    gradient_step,
    greedy,
    prefixed,
    require,
    sampling,
    valuing,
)
from rankq_jax.bounds import Positive, Rate, Temperature, checked
from rankq_jax.losses import advantage_weight, ensemble_min, td_target
from rankq_jax.networks import Networks
from rankq_jax.types import Agent, Key, Metrics, Params, Transition


@agent("awac")
@checked()
def awac(
    networks: Networks,
    optimizers: Optimizers,
    *,
    temperature: Temperature = 1.0,
    weight_limit: Positive = 100.0,
    target_rate: Rate = 0.005,
) -> Agent:
    """Advantage-weighted actor-critic (arXiv 2006.09359), in the order of CORL's code.

    That is critic, policy, target critic. The advantage of a recorded action is its pessimistic value minus
    that of one policy sample, both by the critic that this update has just moved.

    Args:
      networks: a policy with a density of given actions, and a critic.
      optimizers: of the actor and the critic.
      temperature: lambda; the weight is `exp(advantage / lambda)`.
      weight_limit: largest weight of a row.
      target_rate: Polyak rate of the target critic.

    Raises:
      ValueError: if the policy has no density, or a value is out of bounds.
    """
    policy, critic = networks.policy, networks.critic
    require(policy.log_density is not None, "awac", "a policy with a density")
    assert policy.log_density is not None
    log_density_of, backup = policy.log_density, max_target_backup(1)

    def actor_loss(
        params: Params, batch: Transition, q_params: Params, key: Key
    ) -> tuple[jax.Array, Metrics]:
        k_sample, k_dropout = jax.random.split(key)
        own, _ = policy.sample(params, batch.observation, k_sample)
        advantage = ensemble_min(critic.apply(q_params, batch.observation, batch.action)) - ensemble_min(
            critic.apply(q_params, batch.observation, own)
        )
        weight = advantage_weight(advantage, 1.0 / temperature, weight_limit)
        log_density = log_density_of(params, batch.observation, batch.action, k_dropout)
        metrics = {
            "weight": jnp.mean(weight),
            "advantage": jnp.mean(advantage),
            "log_density": jnp.mean(log_density),
        }
        return jnp.mean(-weight * log_density), metrics

    step_critic = gradient_step(td_loss(critic), optimizers.critic)
    step_actor = gradient_step(actor_loss, optimizers.actor)

    def update(state: ActorCriticState, batch: Transition, key: Key) -> tuple[ActorCriticState, Metrics]:
        k_next, k_actor = jax.random.split(key)
        target = td_target(batch.reward, batch.discount, backup(networks, state, batch, k_next))
        new_critic, critic_metrics = step_critic(state.critic, batch, target)
        new_actor, actor_metrics = step_actor(state.actor, batch, new_critic.params, k_actor)
        new_state = state._replace(
            step=state.step + 1,
            actor=new_actor,
            critic=new_critic,
            target_critic=optax.incremental_update(new_critic.params, state.target_critic, target_rate),
        )
        return new_state, prefixed(critic=critic_metrics, actor=actor_metrics)

    init = functools.partial(initial, networks, optimizers, {})
    params, values = lambda state: state.actor.params, valuing(critic)
    return Agent(init, update, sampling(policy), greedy(policy), params, values=values)
