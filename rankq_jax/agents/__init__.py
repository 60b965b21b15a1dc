"""Agents by name. `testing.check_agent` holds for every entry."""

from rankq_jax.agents.augmentation import jitter_colors, shift_images
from rankq_jax.agents.awac import awac
from rankq_jax.agents.bc import bc
from rankq_jax.agents.clipping import clip_members
from rankq_jax.agents.cql import cal_ql, cql
from rankq_jax.agents.encoders import train_encoder
from rankq_jax.agents.flow_bc import flow_bc
from rankq_jax.agents.iql import iql
from rankq_jax.agents.oap import oap_iql, oap_td3_bc
from rankq_jax.agents.optimizers import Optimizers
from rankq_jax.agents.rankq import balanced_weight, rankq
from rankq_jax.agents.rebrac import rebrac
from rankq_jax.agents.rlpd import rlpd
from rankq_jax.agents.sac import sac
from rankq_jax.agents.spec import AGENTS, AgentSpec, agent, reads, register_agent
from rankq_jax.agents.state import ActorCriticState, Trainable
from rankq_jax.agents.td3_bc import td3_bc

__all__ = [
    "AGENTS",
    "ActorCriticState",
    "AgentSpec",
    "Optimizers",
    "Trainable",
    "agent",
    "awac",
    "balanced_weight",
    "bc",
    "cal_ql",
    "clip_members",
    "cql",
    "flow_bc",
    "iql",
    "jitter_colors",
    "oap_iql",
    "oap_td3_bc",
    "rankq",
    "reads",
    "rebrac",
    "register_agent",
    "rlpd",
    "sac",
    "shift_images",
    "td3_bc",
    "train_encoder",
]
