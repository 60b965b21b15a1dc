"""TD3+BC: TD3 and a squared distance to the data."""

from typing import Any

import jax
import jax.numpy as jnp

from rankq_jax.agents.imitation import DATA, imitated
from rankq_jax.agents.optimizers import Optimizers
from rankq_jax.agents.spec import agent
from rankq_jax.agents.td3 import td3
from rankq_jax.bounds import NonNegative, checked
from rankq_jax.losses import squared_distance, value_scale
from rankq_jax.networks import Networks
from rankq_jax.types import Agent, Metrics, Transition


@agent("td3")
@checked(td3, given=("actor_loss", "target_penalty"))
def td3_bc(
    networks: Networks,
    optimizers: Optimizers,
    *,
    alpha: NonNegative = 2.5,
    imitation: str = DATA,
    **td3_arguments: Any,
) -> Agent:
    """TD3+BC (arXiv 2106.06860, Eqs. 3 and 5): `-lambda mean Q_1(s, pi(s)) + mean (pi(s) - a)^2`.

    `lambda = alpha / mean |Q_1|`; the second mean is over rows and dimensions; the first critic member alone
    drives the policy, as in the published code. States are standardized by `lifting.normalize_observations`.

    Args:
      networks: a policy and a critic.
      optimizers: of both.
      alpha: weight of the value against the imitation.
      imitation: which actions the policy is held to, see `imitation.imitated`.
      **td3_arguments: as in `td3`.
    """

    def actor_loss(
        q: jax.Array, action: jax.Array, batch: Transition, step: jax.Array
    ) -> tuple[jax.Array, Metrics]:
        scale = alpha * value_scale(q[0])
        distance = jnp.mean(squared_distance(action, imitated(batch, imitation))) / action[0].size
        loss = -scale * jnp.mean(q[0]) + distance
        return loss, {"q": jnp.mean(q[0]), "distance": distance, "scale": scale}

    return td3(
        networks,
        optimizers,
        actor_loss=actor_loss,
        target_penalty=lambda action, batch: jnp.zeros_like(batch.reward),
        **td3_arguments,
    )
