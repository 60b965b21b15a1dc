"""RankQ: SAC and a self-supervised ranking of actions."""

from collections.abc import Sequence
from typing import Annotated, Any

from rankq_jax.action_sets import Sigma, perturbed
from rankq_jax.agents.optimizers import Optimizers
from rankq_jax.agents.regularizers import rankq_regularizer
from rankq_jax.agents.sac import sac
from rankq_jax.agents.spec import agent
from rankq_jax.bounds import NonNegative, Switch, Text, checked
from rankq_jax.losses import RANKQ_ORDER, Pair
from rankq_jax.networks import Networks
from rankq_jax.types import Agent

INSTRUCTION = "instruction"  # of a task that is told in words what to do
Column = Annotated[str, Text(255)]


@agent("cal_ql", columns=("success",), duals=("temperature",), optional=(INSTRUCTION,))
@checked(sac, given=("regularizer", "extra_duals"))
def rankq(
    networks: Networks,
    optimizers: Optimizers,
    *,
    sigma: Sigma = 0.15,
    success_weight: NonNegative = 1.0,
    failure_weight: NonNegative = 1.0,
    permuted: Switch = True,
    chain: Switch = True,
    permuted_within: Column = INSTRUCTION,
    order: Sequence[Pair] = RANKQ_ORDER,
    **sac_arguments: Any,
) -> Agent:
    """RankQ (arXiv 2605.11151): SAC and a self-supervised ranking of perturbed actions.

    Args:
      networks: a policy with a density, and a critic.
      optimizers: of the actor, the critic and the dual variables.
      sigma: of the noisy actions; the very noisy ones move twice as far.
      success_weight: alpha_0, on the six pairs of success rows; see `balanced_weight`.
      failure_weight: alpha_1, on the one pair of failure rows.
      permuted: keep the pair with another row's action (ablated in App. D).
      chain: keep the order among the perturbed actions, Eq. 5 (ablated in App. D).
      permuted_within: the column of the batch, or array of the observation, by which rows are told apart that
        lend each other their actions; where there is none, and empty, all rows do.
      order: the constraints.
      **sac_arguments: as in `sac`.
    """
    kept = [pair for pair in order if permuted or pair.worse != "permuted"]
    kept = [pair for pair in kept if chain or pair.better == "data"]
    weights = {"success": success_weight, "failure": failure_weight}
    regularizer = rankq_regularizer(perturbed(sigma), kept, weights, permuted_within)
    return sac(networks, optimizers, regularizer=regularizer, **sac_arguments)


def balanced_weight(share: float) -> float:
    """The alpha_0 by which success rows weigh as much as a batch of nothing else with alpha_0 = 1.

    The mean of the ranking loss runs over all rows of a batch, so that the share of success rows scales
    their terms. For AntMaze RankQ sets alpha_0 = 20 because less than 5 % of the rows are successes (App. C):
    at most 1 in effect.

    Args:
      share: of the rows of the dataset that belong to successful trajectories, in (0, 1].

    Raises:
      ValueError: if the share is not in (0, 1].
    """
    if not 0.0 < share <= 1.0:
        raise ValueError(f"share={share} of success rows must be in (0, 1]")
    return 1.0 / share
