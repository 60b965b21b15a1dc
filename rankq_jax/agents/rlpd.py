"""RLPD: SAC with prior data, a large ensemble, and many critic updates for each policy update."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax

from rankq_jax.agents.actor_critic import initial
from rankq_jax.agents.duals import TEMPERATURE
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
from rankq_jax.bounds import Finite, Members, Rate, Samples, Switch, checked
from rankq_jax.losses import ensemble_min, entropy_regularised, td_target, temperature_product
from rankq_jax.networks import Networks
from rankq_jax.types import Agent, Key, Metrics, Params, Transition


def _batches(critic_updates: int = 20, **others: Any) -> int:
    return critic_updates


def _dealt(batch: Transition, count: int) -> Transition:
    """Leaves `[B, ...] -> [count, B / count, ...]`: row i goes to minibatch `i mod count`.

    Raises:
      ValueError: if the rows do not divide.
    """
    rows = batch.reward.shape[0]
    if rows % count:
        raise ValueError(f"{rows} rows do not divide into {count} minibatches")
    return jax.tree.map(
        lambda leaf: leaf.reshape(rows // count, count, *leaf.shape[1:]).swapaxes(0, 1), batch
    )


@agent("rlpd", duals=("temperature",), batches_per_update=_batches)
@checked()
def rlpd(
    networks: Networks,
    optimizers: Optimizers,
    *,
    critic_updates: Samples = 20,
    subset: Members = 2,
    backup_entropy: Switch = True,
    target_entropy: Finite = -0.5,
    target_rate: Rate = 0.005,
) -> Agent:
    """Reinforcement learning with prior data (arXiv 2302.02948, Alg. 1), in the order of its code.

    One update takes `critic_updates` minibatches, moves critic and target critic on each, then the policy and
    the temperature on the last. Row i of the batch belongs to minibatch `i mod critic_updates`, so that
    every minibatch has the batch's share of offline rows. Symmetric sampling is a mixing ratio of one half,
    the layer normalisation and the ensemble of ten belong to the networks.

    Args:
      networks: a policy with a density, and a critic.
      optimizers: of the actor, the critic and the temperature.
      critic_updates: update-to-data ratio, if one update is made for each environment step.
      subset: members drawn for the minimum of each target.
      backup_entropy: whether the target holds the entropy bonus.
      target_entropy: in nats per action dimension.
      target_rate: Polyak rate of the target critic.

    Raises:
      ValueError: if the policy has no density, or a value is out of bounds. When the update is traced, if
        `subset` exceeds the members of the critic, or the rows do not divide into minibatches.
    """
    policy, critic = networks.policy, networks.critic
    require(policy.log_density is not None, "rlpd", "a policy with a density")
    entropy = target_entropy * networks.action_size

    def actor_loss(
        params: Params, state: ActorCriticState, batch: Transition, key: Key
    ) -> tuple[jax.Array, Metrics]:
        action, log_density = policy.sample(params, batch.observation, key)
        q = jnp.mean(critic.apply(state.critic.params, batch.observation, action), axis=0)
        temperature = jnp.exp(state.duals["temperature"].params)
        loss = jnp.mean(entropy_regularised(log_density, q, temperature))
        return loss, {"log_density": jnp.mean(log_density), "q": jnp.mean(q)}

    def temperature_loss(log_value: jax.Array, log_density: jax.Array) -> tuple[jax.Array, Metrics]:
        return temperature_product(log_value, log_density, entropy), {}

    # The published code takes the mean over members too, where the other agents take the sum.
    step_critic = gradient_step(td_loss(critic, jnp.mean), optimizers.critic)
    step_actor = gradient_step(actor_loss, optimizers.actor)
    step_temperature = gradient_step(temperature_loss, optimizers.of_dual("temperature"))

    def update_critic(
        state: ActorCriticState, batch: Transition, key: Key
    ) -> tuple[ActorCriticState, Metrics]:
        k_action, k_subset = jax.random.split(key)
        action, log_density = policy.sample(state.actor.params, batch.next_observation, k_action)
        q = critic.apply(state.target_critic, batch.next_observation, action)
        if subset > q.shape[0]:
            raise ValueError(f"subset={subset} must be at most the {q.shape[0]} members of the critic")
        members = jax.random.permutation(k_subset, q.shape[0])[:subset]
        next_value = ensemble_min(q[members])
        if backup_entropy:
            next_value -= jnp.exp(state.duals["temperature"].params) * log_density
        target = td_target(batch.reward, batch.discount, next_value)
        new_critic, metrics = step_critic(state.critic, batch, target)
        moved = optax.incremental_update(new_critic.params, state.target_critic, target_rate)
        return state._replace(critic=new_critic, target_critic=moved), metrics

    def update(state: ActorCriticState, batch: Transition, key: Key) -> tuple[ActorCriticState, Metrics]:
        minibatches = _dealt(batch, critic_updates)
        k_critic, k_actor = jax.random.split(key)
        keys = jax.random.split(k_critic, critic_updates)
        state, metrics = jax.lax.scan(lambda s, xs: update_critic(s, *xs), state, (minibatches, keys))
        last = jax.tree.map(lambda leaf: leaf[-1], minibatches)
        actor, actor_metrics = step_actor(state.actor, state, last, k_actor)
        temperature = state.duals["temperature"]
        new_temperature, dual = step_temperature(temperature, actor_metrics["log_density"])
        new_state = state._replace(
            step=state.step + 1, actor=actor, duals={**state.duals, "temperature": new_temperature}
        )
        reported = prefixed(
            critic={name: jnp.mean(value) for name, value in metrics.items()},
            actor=actor_metrics,
            dual={"temperature/loss": dual["loss"], "temperature": jnp.exp(temperature.params)},
        )
        return new_state, reported

    init = functools.partial(initial, networks, optimizers, {"temperature": TEMPERATURE})
    params, values = lambda state: state.actor.params, valuing(critic)
    return Agent(init, update, sampling(policy), greedy(policy), params, values=values)
