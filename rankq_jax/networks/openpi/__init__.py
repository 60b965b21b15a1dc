"""A pi0 checkpoint of openpi behind the interface of this library's flow policies; see docs/openpi.md."""

from rankq_jax.networks.openpi.backend import VARIANTS, Backend, openpi_backend
from rankq_jax.networks.openpi.flow import pi0_flow, pi0_policy
from rankq_jax.networks.openpi.inputs import CAMERAS, Look, Prompts, prompts
from rankq_jax.networks.openpi.parameters import parted, whole

__all__ = [
    "CAMERAS",
    "VARIANTS",
    "Backend",
    "Look",
    "Prompts",
    "openpi_backend",
    "parted",
    "pi0_flow",
    "pi0_policy",
    "prompts",
    "whole",
]
