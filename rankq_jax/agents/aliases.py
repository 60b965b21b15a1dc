"""SAC, CQL, Cal-QL and RankQ. Each of the last three is SAC with one other argument."""

from collections.abc import Mapping, Sequence
from typing import Any

from rankq_jax.action_sets import Sigma, perturbed
from rankq_jax.agents import duals
from rankq_jax.agents.actor_critic import actor_critic
from rankq_jax.agents.backups import max_of
from rankq_jax.agents.duals import DualLoss
from rankq_jax.agents.objectives import soft_value
from rankq_jax.agents.regularisers import (
    Regulariser,
    conservative,
    dual_scaled,
    none,
    rank,
    scaled,
)
from rankq_jax.agents.state import Parts
from rankq_jax.bounds import (
    Finite,
    NonNegative,
    Rate,
    Samples,
    Switch,
    Temperature,
    checked,
)
from rankq_jax.losses import RANKQ_ORDER, Pair
from rankq_jax.types import Agent


@checked()
def sac(
    parts: Parts,
    *,
    backup_samples: Samples = 10,
    backup_entropy: Switch = False,
    target_entropy: Finite = -1.0,
    target_rate: Rate = 0.005,
    regulariser: Regulariser | None = None,
    extra_duals: Mapping[str, DualLoss] | None = None,
) -> Agent:
    """Soft actor-critic (arXiv 1812.05905) as the Cal-QL code base and the RankQ paper use it.

    Args:
      parts: policy, critic, optimisers.
      backup_samples: policy actions of which the backup takes the best, ten in the Cal-QL code for every
        algorithm; 1 is textbook SAC.
      backup_entropy: whether the backup holds the entropy bonus; textbook SAC does.
      target_entropy: in nats per action dimension.
      target_rate: Polyak rate of the target critic.
      regulariser: added to the TD error of each critic member; None adds nothing.
      extra_duals: losses of dual variables beside the temperature.
    """
    entropy = target_entropy * parts.action_size
    return actor_critic(
        parts,
        backup=max_of(backup_samples, entropy=backup_entropy),
        regulariser=none() if regulariser is None else regulariser,
        objective=soft_value(),
        duals={"temperature": duals.temperature(entropy), **(extra_duals or {})},
        target_rate=target_rate,
    )


@checked(sac, given=("regulariser", "extra_duals"))
def cql(
    parts: Parts,
    *,
    weight: NonNegative = 5.0,
    lagrange: Switch = True,
    lagrange_threshold: Finite = 0.8,
    samples: Samples = 10,
    temperature: Temperature = 1.0,
    importance_sampling: Switch = True,
    calibrated: bool = False,
    **sac_arguments: Any,
) -> Agent:
    """Conservative Q-learning, the H form (arXiv 2006.04779, Eq. 4).

    Args:
      parts: policy, critic, optimisers.
      weight: of the conservative gap.
      lagrange: let a dual variable scale the weight, so that the gap stays near the threshold (the Cal-QL
        code on AntMaze; on Adroit it does not).
      lagrange_threshold: that gap.
      samples: actions per set; there are three sets.
      temperature: of the log-sum-exp.
      importance_sampling: correct the sampled actions by their density.
      calibrated: see `cal_ql`.
      **sac_arguments: as in `sac`.
    """
    gap = conservative(samples, temperature, importance_sampling, calibrated)
    if not lagrange:
        return sac(parts, regulariser=scaled(gap, weight), **sac_arguments)
    return sac(
        parts,
        regulariser=dual_scaled(gap, weight, lagrange_threshold),
        extra_duals={"cql_weight": duals.cql_weight(weight, lagrange_threshold)},
        **sac_arguments,
    )


@checked(cql, given=("calibrated",))
def cal_ql(parts: Parts, **cql_arguments: Any) -> Agent:
    """Calibrated Q-learning (arXiv 2303.05479): CQL that never pushes below the return-to-go."""
    return cql(parts, calibrated=True, **cql_arguments)


@checked(sac, given=("regulariser", "extra_duals"))
def rankq(
    parts: Parts,
    *,
    sigma: Sigma = 0.15,
    success_weight: NonNegative = 1.0,
    failure_weight: NonNegative = 1.0,
    permuted: Switch = True,
    chain: Switch = True,
    order: Sequence[Pair] = RANKQ_ORDER,
    **sac_arguments: Any,
) -> Agent:
    """RankQ (arXiv 2605.11151): SAC and a self-supervised ranking of perturbed actions.

    Args:
      parts: policy, critic, optimisers.
      sigma: of the noisy actions; the very noisy ones move twice as far.
      success_weight: alpha_0, on the six pairs of success rows; see `balanced_weight`.
      failure_weight: alpha_1, on the one pair of failure rows.
      permuted: keep the pair with another row's action (ablated in App. D).
      chain: keep the order among the perturbed actions, Eq. 5 (ablated in App. D).
      order: the constraints.
      **sac_arguments: as in `sac`.
    """
    kept = [pair for pair in order if permuted or pair.worse != "permuted"]
    kept = [pair for pair in kept if chain or pair.better == "data"]
    weights = {"success": success_weight, "failure": failure_weight}
    return sac(parts, regulariser=rank(perturbed(sigma), kept, weights), **sac_arguments)


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
