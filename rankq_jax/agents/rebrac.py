"""ReBRAC: TD3 with a distance to the data in both losses."""

from typing import Annotated, Any

import jax
import jax.numpy as jnp

from rankq_jax.agents.optimizers import Optimizers
from rankq_jax.agents.spec import agent
from rankq_jax.agents.td3 import td3
from rankq_jax.bounds import Interval, Noise, NonNegative, Whole, checked
from rankq_jax.losses import ensemble_min, squared_distance, value_scale
from rankq_jax.networks import Networks
from rankq_jax.types import Agent, Metrics, Transition

Updates = Annotated[float, Interval(0.0, 2.0**31 - 1)]  # products of steps and updates per step too


@agent("rebrac", columns=("next_action",))
@checked(td3, given=("actor_loss", "target_penalty"))
def rebrac(
    networks: Networks,
    optimizers: Optimizers,
    *,
    actor_weight: NonNegative = 0.01,
    critic_weight: NonNegative = 0.01,
    decay_from: Whole = 0,
    decay_updates: Updates = 0.0,
    exploration_noise: Noise = 0.0,
    **td3_arguments: Any,
) -> Agent:
    """ReBRAC (arXiv 2305.09836): distances to the data in the policy's loss and in the critic's target.

    `b_a ||pi(s) - a||^2 - Q / mean |Q|` with the pessimistic `Q(s, pi(s))`, and
    `r + gamma (min_k Q_k(s', a') - b_c ||a' - a'_data||^2)`; both distances are sums over dimensions. The
    next recorded action is `extras["next_action"]`.

    Args:
      networks: a policy and a critic.
      optimizers: of both.
      actor_weight: b_a.
      critic_weight: b_c; CORL's fine-tuning sets it to 0 online.
      decay_from: update after which b_a falls linearly, but not below half (CORL's fine-tuning).
      decay_updates: updates over which it would reach 0; 0: it stays.
      exploration_noise: see `td3`.
      **td3_arguments: as in `td3`.
    """

    def actor_loss(
        q: jax.Array, action: jax.Array, batch: Transition, step: jax.Array
    ) -> tuple[jax.Array, Metrics]:
        value = ensemble_min(q)
        distance = jnp.mean(squared_distance(action, batch.action))
        done = (step - decay_from) / max(decay_updates, 1.0)
        share = jnp.clip(1.0 - done, 0.5, 1.0) if decay_updates > 0 else 1.0
        loss = share * actor_weight * distance - value_scale(value) * jnp.mean(value)
        return loss, {"q": jnp.mean(value), "distance": distance}

    def target_penalty(action: jax.Array, batch: Transition) -> jax.Array:
        return critic_weight * squared_distance(action, batch.extras["next_action"])

    return td3(
        networks,
        optimizers,
        actor_loss=actor_loss,
        target_penalty=target_penalty,
        exploration_noise=exploration_noise,
        **td3_arguments,
    )
