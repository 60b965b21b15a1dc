"""Agents by name. The contract suite of the tests runs on every entry."""

from rankq_jax.agents.aliases import cal_ql, cql, rankq, sac
from rankq_jax.agents.state import ActorCriticState, Optimisers, Parts, Trainable

AGENTS = {"sac": sac, "cql": cql, "cal_ql": cal_ql, "rankq": rankq}

__all__ = [
    "AGENTS",
    "ActorCriticState",
    "Optimisers",
    "Parts",
    "Trainable",
    "cal_ql",
    "cql",
    "rankq",
    "sac",
]
