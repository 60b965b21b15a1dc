"""An agent of your own: SAC with a margin between recorded and random actions.

    python examples/own_agent.py

The decorator `agent` registers it. From the folder of this file every command finds it, for example
`rankq train --import=own_agent --config=margin_q:pointmaze-umaze,smoke`.
"""

from typing import Any

import jax
import jax.numpy as jnp

import rankq_jax as rq
from rankq_jax import configs
from rankq_jax.agents import Optimizers, agent, sac
from rankq_jax.agents.regularizers import CriticView
from rankq_jax.bounds import NonNegative, checked
from rankq_jax.networks import Networks
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


@rq.register_config("margin_q_wide")
def margin_q_wide(argument: str) -> Any:
    """A configuration of its own, `--config=margin_q_wide:TASK`, which changes one value."""
    config = configs.get_config(argument, "margin_q")
    config.margin_q.margin = 5.0
    return config


def main(offline_updates: int = 2_000, env_steps: int = 400) -> None:
    """Checks the contract of the agent, then trains it."""
    rq.testing.check_agent("margin_q")
    task = rq.make_task("pointmaze-umaze")
    own = margin_q(rq.networks.cal_ql(task.spec, hidden=(64, 64)), rq.Optimizers.adam(3e-4), margin=0.5)
    plan = rq.offline_to_online(own, offline_updates=offline_updates, env_steps=env_steps)
    for event in rq.Run(plan, task, rq.load_dataset(task), evaluation_episodes=20):
        if isinstance(event, rq.Evaluated):
            print(event.phase, event.updates, event.metrics["success"].mean(axis=1))


if __name__ == "__main__":
    main()
