"""Checkpoints of a whole run: states through orbax, replay rows in segments that are written once."""

from rankq_jax.checkpoints.replay import Held, Rows
from rankq_jax.checkpoints.states import Checkpoints, Found

__all__ = ["Checkpoints", "Found", "Held", "Rows"]
