"""OAP: offline learning whose policy is held to the action that an expert prefers.

Boosting Offline Reinforcement Learning with Action Preference Query, arXiv 2306.03362. Here is the agent's
half; what asks, learns and labels is in `rankq_jax.preferences`.
"""

from typing import Any

from rankq_jax.agents.imitation import DATA
from rankq_jax.agents.iql import iql
from rankq_jax.agents.optimizers import Optimizers
from rankq_jax.agents.spec import agent
from rankq_jax.agents.td3_bc import td3_bc
from rankq_jax.bounds import Switch, checked
from rankq_jax.networks import Networks
from rankq_jax.types import PREFERRED_ACTION, Agent


@agent("td3", columns=(PREFERRED_ACTION,))
@checked(td3_bc, given=("imitation",))
def oap_td3_bc(networks: Networks, optimizers: Optimizers, **td3_bc_arguments: Any) -> Agent:
    """TD3+BC towards the preferred action (Eq. 6 of OAP); the critic learns from the recorded ones."""
    return td3_bc(networks, optimizers, imitation=PREFERRED_ACTION, **td3_bc_arguments)


@agent("iql", columns=(PREFERRED_ACTION,))
@checked(iql, given=("imitation", "weight_of"))
def oap_iql(
    networks: Networks, optimizers: Optimizers, *, weight_of_preferred: Switch = False, **iql_arguments: Any
) -> Agent:
    """IQL whose policy regresses to the preferred action; value and critic are IQL's.

    The paper lists hyper-parameters for IQL and never writes this objective. The choice made here is
    `-E[w log pi(preferred | s)]`, with w from the advantage of the recorded action, so that no value of an
    action outside the data is ever read.

    Args:
      networks: as in `iql`.
      optimizers: as in `iql`.
      weight_of_preferred: take w from the advantage of the preferred action instead, which may lie outside
        the data.
      **iql_arguments: as in `iql`.
    """
    source = PREFERRED_ACTION if weight_of_preferred else DATA
    return iql(networks, optimizers, imitation=PREFERRED_ACTION, weight_of=source, **iql_arguments)
