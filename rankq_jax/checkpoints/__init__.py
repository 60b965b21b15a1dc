"""Checkpoints of a whole run: states through orbax, replay rows in segments that are written once."""

from rankq_jax.checkpoints.copies import CopiedState, RestoredCheckpoint
from rankq_jax.checkpoints.replay import ReplaySnapshot, Rows
from rankq_jax.checkpoints.states import Checkpoints

__all__ = ["Checkpoints", "CopiedState", "ReplaySnapshot", "RestoredCheckpoint", "Rows"]
