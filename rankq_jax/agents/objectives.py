"""Actor objectives: `(parts, actor params, state, batch, key) -> (loss [B], metrics)`."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from rankq_jax.agents.state import ActorCriticState, Parts
from rankq_jax.losses import ensemble_min, entropy_regularised
from rankq_jax.types import Key, Metrics, Params, Transition

Objective = Callable[[Parts, Params, ActorCriticState, Transition, Key], tuple[jax.Array, Metrics]]


def soft_value() -> Objective:
    """SAC: `alpha log pi(a|s) - min_k Q_k(s, a)` at a policy sample, online critics (arXiv 1812.05905)."""

    def objective(
        parts: Parts, params: Params, state: ActorCriticState, batch: Transition, key: Key
    ) -> tuple[jax.Array, Metrics]:
        action, log_density = parts.policy.sample(params, batch.observation, key)
        q = ensemble_min(parts.critic.apply(state.critic.params, batch.observation, action))
        temperature = jnp.exp(state.duals["temperature"].params)
        loss = entropy_regularised(log_density, q, temperature)
        return loss, {"log_density": jnp.mean(log_density), "q": jnp.mean(q)}

    return objective
