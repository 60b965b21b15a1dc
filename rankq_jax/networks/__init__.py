"""Networks as pairs of pure functions: `Policy`, `Critic` and `Value` of `rankq_jax.types`."""

from rankq_jax.networks.critics import ensemble, over_actions, state_value
from rankq_jax.networks.deterministic import deterministic
from rankq_jax.networks.encoded import encoded_critic, encoded_policy, encoded_value
from rankq_jax.networks.encoders import ENCODERS, EncoderSizes, encoder_of, register_encoder
from rankq_jax.networks.flows import Flow, Prefix, flow, integrating, merge, split
from rankq_jax.networks.gaussian import gaussian, tanh_gaussian
from rankq_jax.networks.mlp import MLP, Arithmetic
from rankq_jax.networks.presets import (
    FAMILIES,
    Networks,
    Sizes,
    awac,
    cal_ql,
    encoded,
    iql,
    preset,
    rebrac,
    register_networks,
    rlpd,
    td3,
)
from rankq_jax.networks.sac_flow import density_of_chain, noisy, sample_chain
from rankq_jax.networks.vla import PRESETS as VLA_PRESETS
from rankq_jax.networks.vla import VlaSizes, vla_policy

__all__ = [
    "ENCODERS",
    "FAMILIES",
    "MLP",
    "VLA_PRESETS",
    "Arithmetic",
    "EncoderSizes",
    "Flow",
    "Networks",
    "Prefix",
    "Sizes",
    "VlaSizes",
    "awac",
    "cal_ql",
    "density_of_chain",
    "deterministic",
    "encoded",
    "encoded_critic",
    "encoded_policy",
    "encoded_value",
    "encoder_of",
    "ensemble",
    "flow",
    "gaussian",
    "integrating",
    "iql",
    "merge",
    "noisy",
    "over_actions",
    "preset",
    "rebrac",
    "register_encoder",
    "register_networks",
    "rlpd",
    "sample_chain",
    "split",
    "state_value",
    "tanh_gaussian",
    "td3",
    "vla_policy",
]
