"""A small vision-language-action policy: a prefix transformer, and an action expert that attends to it."""

from rankq_jax.networks.vla.policy import vla_policy
from rankq_jax.networks.vla.presets import PRESETS
from rankq_jax.networks.vla.sizes import VlaSizes

__all__ = ["PRESETS", "VlaSizes", "vla_policy"]
