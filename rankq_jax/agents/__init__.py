"""Agents by name. The contract suite of the tests runs on every entry."""

from collections.abc import Callable

from rankq_jax.agents.aliases import balanced_weight, cal_ql, cql, rankq, sac
from rankq_jax.agents.awac import awac
from rankq_jax.agents.bc import bc
from rankq_jax.agents.clipping import clip_members
from rankq_jax.agents.iql import iql
from rankq_jax.agents.oap import oap_iql, oap_td3_bc
from rankq_jax.agents.rebrac import rebrac
from rankq_jax.agents.rlpd import rlpd
from rankq_jax.agents.state import ActorCriticState, Optimisers, Parts, Trainable
from rankq_jax.agents.td3_bc import td3_bc
from rankq_jax.types import Agent

AGENTS: dict[str, Callable[..., Agent]] = {
    "sac": sac,
    "cql": cql,
    "cal_ql": cal_ql,
    "rankq": rankq,
    "iql": iql,
    "td3_bc": td3_bc,
    "bc": bc,
    "awac": awac,
    "rlpd": rlpd,
    "rebrac": rebrac,
    "oap_td3_bc": oap_td3_bc,
    "oap_iql": oap_iql,
}

# The agents that read the column `preferred_action`, so that an expert is asked in their runs.
ASKING = frozenset({"oap_td3_bc", "oap_iql"})

# The family of networks (`networks.FAMILIES`) that the published code of each agent uses.
NETWORKS = {
    "sac": "cal_ql",
    "cql": "cal_ql",
    "cal_ql": "cal_ql",
    "rankq": "cal_ql",
    "iql": "iql",
    "td3_bc": "td3",
    "bc": "td3",
    "awac": "awac",
    "rlpd": "rlpd",
    "rebrac": "rebrac",
    "oap_td3_bc": "td3",
    "oap_iql": "iql",
}

__all__ = [
    "AGENTS",
    "ASKING",
    "NETWORKS",
    "ActorCriticState",
    "Optimisers",
    "Parts",
    "Trainable",
    "awac",
    "balanced_weight",
    "bc",
    "cal_ql",
    "clip_members",
    "cql",
    "iql",
    "oap_iql",
    "oap_td3_bc",
    "rankq",
    "rebrac",
    "rlpd",
    "sac",
    "td3_bc",
]
