"""What a critic says about actions, for every agent that has one (Appendices E and F of arXiv 2605.11151).

The appendices show the numbers of one critic. Here Q is the minimum over the members of the ensemble, which
is what policies of twin critics follow. The slopes alone are those of each member, which has its own loss.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rankq_jax.action_sets import Sigma, perturbed
from rankq_jax.bounds import checked
from rankq_jax.losses import RANKQ_ORDER, ensemble_min, ranking_accuracy, settled_share
from rankq_jax.types import Agent, Key, Measured, Transition

GROUP = "diagnostics/"  # begins the names of these metrics
# (state, batch, key) -> {name: Measured []}
Diagnose = Callable[[Any, Transition, Key], dict[str, Measured]]


@checked()
def critic_diagnostics(agent: Agent, sigma: Sigma = 0.15) -> Diagnose | None:
    """A pure function of a state, a batch and a key, whose metrics say how its critic ranks actions.

    All of them begin with `GROUP`:

    - `action_gradient_max`, `action_gradient_std`: the largest absolute element of dQ/da at the batch's
      actions, and the standard deviation of all its elements (App. E).
    - `q_data`, `q_policy`, `q_random`: the mean Q of the batch's, of greedy and of uniformly random actions.
    - `rank/LABEL/BETTER_over_WORSE`: the share of the rows with that label on which the better action of a
      pair of `RANKQ_ORDER` has the higher Q (App. F). Equal values do not count. There is no such number
      where the batch has no such row.
    - `rank/settled`: the share of these pairs whose softplus term has a slope below 0.01 and no longer pulls.
    - `rank/success_share`: the share of success rows.

    The metrics that begin with `rank/` need the column `success` and are left out of a batch without it.

    Args:
      agent: of one seed, as its constructor returns it.
      sigma: the perturbation of noisy actions; the same for all algorithms, whether or not they rank.

    Returns:
      None if the agent has no critic.

    Raises:
      ValueError: if `sigma` is out of bounds.
    """
    values, sets = agent.values, perturbed(sigma)
    if values is None:
        return None

    def diagnose(state: Any, batch: Transition, key: Key) -> dict[str, Measured]:
        k_sets, k_policy = jax.random.split(key)
        greedy = agent.act_greedy(agent.params(state), batch.observation, k_policy)
        actions = {"data": batch.action, "policy": greedy, **sets(k_sets, batch.action)}
        q_set = values(state, batch.observation, jnp.stack(list(actions.values()), axis=1))
        q = {name: q_set[..., i] for i, name in enumerate(actions)}  # [E, B] each
        lowest = {name: ensemble_min(each) for name, each in q.items()}

        def total(action: jax.Array) -> jax.Array:
            return jnp.sum(ensemble_min(values(state, batch.observation, action[:, None])[..., 0]))

        slope = jax.grad(total)(batch.action)  # [B, *A]; rows do not touch each other
        found = {
            "action_gradient_max": jnp.max(jnp.abs(slope)),
            "action_gradient_std": jnp.std(slope),
            **{f"q_{name}": jnp.mean(lowest[name]) for name in ("data", "policy", "random")},
        }
        rows = jnp.float32(batch.reward.shape[0])
        metrics = {name: Measured(value, rows) for name, value in found.items()}
        if "success" in batch.extras:
            metrics |= _ranking(q, lowest, jnp.asarray(batch.extras["success"], jnp.float32))
        return {
            f"{GROUP}{name}": Measured(jnp.asarray(one.value, jnp.float32), one.rows)
            for name, one in metrics.items()
        }

    return diagnose


def _ranking(
    q: dict[str, jax.Array], lowest: dict[str, jax.Array], success: jax.Array
) -> dict[str, Measured]:
    """The metrics that begin with `rank/`; `q [E, B]`, `lowest [B]` and `success [B]`."""
    labels, all_rows = {"success": success, "failure": 1.0 - success}, jnp.float32(success.shape[0])
    one_member = {name: value[None] for name, value in lowest.items()}
    right = ranking_accuracy(one_member, RANKQ_ORDER, labels)
    shares = {f"rank/{name}": Measured(x, jnp.sum(labels[name.split("/")[0]])) for name, x in right.items()}
    return {
        **shares,
        "rank/settled": Measured(settled_share(q, RANKQ_ORDER, labels), all_rows),
        "rank/success_share": Measured(jnp.mean(success), all_rows),
    }
