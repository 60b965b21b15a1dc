"""SAC with a margin between recorded and random actions."""

from typing import Any

import jax
import jax.numpy as jnp

from rankq_jax.agents import Optimizers, sac
from rankq_jax.agents.regularizers import CriticView
from rankq_jax.bounds import NonNegative, checked
from rankq_jax.networks import Networks
from rankq_jax.registry import agent
from rankq_jax.types import Agent, Key, Metrics, Transition


@agent("cal_ql", columns=("success",), duals=("temperature",))
@checked(sac, given=("regularizer", "extra_duals"))
def margin_q(
    networks: Networks, optimizers: Optimizers, *, margin: NonNegative = 1.0, **sac_arguments: Any
) -> Agent:
    """On rows of successes `Q(s, a)` beats `Q(s, random)` by a margin.

    Args:
      networks: a policy with a density, and a critic.
      optimizers: of the actor, the critic and the temperature.
      margin: by which recorded actions lead.
      **sac_arguments: as in `sac`.
    """

    def regularizer(view: CriticView, batch: Transition, key: Key) -> tuple[jax.Array, Metrics]:
        random = jax.random.uniform(key, batch.action.shape, minval=-1.0, maxval=1.0)
        q_random = view.q_of_set(random[:, None])[..., 0]
        loss = batch.extras["success"][None] * jax.nn.relu(margin + q_random - view.q_data)
        return loss, {"margin/broken": jnp.mean(loss > 0)}

    return sac(networks, optimizers, regularizer=regularizer, **sac_arguments)
