"""Losses of actors, `(networks, params, state, batch, key) -> (loss [B], metrics)`, and of critics."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from rankq_jax.agents.state import ActorCriticState
from rankq_jax.losses import ensemble_min, entropy_regularised, squared_td
from rankq_jax.networks import Networks
from rankq_jax.types import Critic, Key, Metrics, Params, Transition

Objective = Callable[[Networks, Params, ActorCriticState, Transition, Key], tuple[jax.Array, Metrics]]


def sac_actor_loss() -> Objective:
    """SAC: `alpha log pi(a|s) - min_k Q_k(s, a)` at a policy sample, online critics (arXiv 1812.05905)."""

    def objective(
        networks: Networks, params: Params, state: ActorCriticState, batch: Transition, key: Key
    ) -> tuple[jax.Array, Metrics]:
        action, log_density = networks.policy.sample(params, batch.observation, key)
        q = ensemble_min(networks.critic.apply(state.critic.params, batch.observation, action))
        temperature = jnp.exp(state.duals["temperature"].params)
        loss = entropy_regularised(log_density, q, temperature)
        return loss, {"log_density": jnp.mean(log_density), "q": jnp.mean(q)}

    return objective


def value_actor_loss() -> Objective:
    """`-min_k Q_k(s, a)` at a policy sample, online critics, and nothing for entropy (RankQ, App. B).

    Of a noisy flow policy it reports the mean logarithm of the deviation of the first step.
    """

    def objective(
        networks: Networks, params: Params, state: ActorCriticState, batch: Transition, key: Key
    ) -> tuple[jax.Array, Metrics]:
        action, log_density = networks.policy.sample(params, batch.observation, key)
        q = ensemble_min(networks.critic.apply(state.critic.params, batch.observation, action))
        metrics = {"log_density": jnp.mean(log_density), "q": jnp.mean(q)}
        flow = networks.policy.flow
        if flow is not None and flow.log_deviation is not None:
            h = flow.encode(params, batch.observation).h
            metrics["log_deviation"] = jnp.mean(flow.log_deviation(params, h, jnp.zeros(h.shape[0])))
        return -q, metrics

    return objective


def td_loss(
    critic: Critic, over_members: Callable[[jax.Array], jax.Array] = jnp.sum
) -> Callable[[Params, Transition, jax.Array], tuple[jax.Array, Metrics]]:
    """Plain TD learning: `(critic params, batch, target [B]) -> (loss [], metrics)`.

    The mean of the squared error over rows, summed over members (TD3, arXiv 1802.09477, Alg. 1) unless
    `over_members` says otherwise.
    """

    def loss(params: Params, batch: Transition, target: jax.Array) -> tuple[jax.Array, Metrics]:
        q = critic.apply(params, batch.observation, batch.action)
        td = squared_td(q, target)  # [E, B]
        metrics = {"td": jnp.mean(td), "q": jnp.mean(q), "target": jnp.mean(target)}
        return over_members(jnp.mean(td, axis=1)), metrics

    return loss
