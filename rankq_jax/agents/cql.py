"""CQL and Cal-QL: SAC and a conservative regularizer of the critic."""

from typing import Any

from rankq_jax.agents import duals
from rankq_jax.agents.optimizers import Optimizers
from rankq_jax.agents.regularizers import cql_regularizer, dual_scaled, scaled
from rankq_jax.agents.sac import sac
from rankq_jax.agents.spec import agent
from rankq_jax.bounds import Finite, NonNegative, Samples, Switch, Temperature, checked
from rankq_jax.networks import Networks
from rankq_jax.types import Agent


@agent("cal_ql", duals=("temperature", "cql_weight"))
@checked(sac, given=("regularizer", "extra_duals"))
def cql(
    networks: Networks,
    optimizers: Optimizers,
    *,
    weight: NonNegative = 5.0,
    lagrange: Switch = True,
    lagrange_threshold: Finite = 0.8,
    samples: Samples = 10,
    temperature: Temperature = 1.0,
    importance_sampling: Switch = True,
    next_samples: Switch = True,
    calibrated: bool = False,
    **sac_arguments: Any,
) -> Agent:
    """Conservative Q-learning, the H form (arXiv 2006.04779, Eq. 4).

    Args:
      networks: a policy with a density, and a critic.
      optimizers: of the actor, the critic and the dual variables.
      weight: of the conservative gap.
      lagrange: let a dual variable scale the weight, so that the gap stays near the threshold (the Cal-QL
        code on AntMaze; on Adroit it does not).
      lagrange_threshold: that gap.
      samples: actions per set; there are three sets, or two without `next_samples`.
      temperature: of the log-sum-exp.
      importance_sampling: correct the sampled actions by their density.
      next_samples: whether policy actions of the next state are a set too, as in the published code; RankQ
        leaves them out for vision-language-action policies.
      calibrated: see `cal_ql`.
      **sac_arguments: as in `sac`.
    """
    gap = cql_regularizer(samples, temperature, importance_sampling, calibrated, next_samples=next_samples)
    if not lagrange:
        return sac(networks, optimizers, regularizer=scaled(gap, weight), **sac_arguments)
    return sac(
        networks,
        optimizers,
        regularizer=dual_scaled(gap, weight, lagrange_threshold),
        extra_duals={"cql_weight": duals.cql_weight(weight, lagrange_threshold)},
        **sac_arguments,
    )


@agent("cal_ql", columns=("mc_return",), duals=("temperature", "cql_weight"))
@checked(cql, given=("calibrated",))
def cal_ql(networks: Networks, optimizers: Optimizers, **cql_arguments: Any) -> Agent:
    """Calibrated Q-learning (arXiv 2303.05479): CQL that never pushes below the return-to-go."""
    return cql(networks, optimizers, calibrated=True, **cql_arguments)
