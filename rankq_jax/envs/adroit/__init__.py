"""Adroit: the hand tasks of gymnasium-robotics with a binary reward.

Models, observations and resets are those of gymnasium-robotics, bit for bit; rewards are those of the binary
tasks of AWAC and Cal-QL, or a dense one that an expert can be trained on.
"""

from rankq_jax.envs.adroit.door import DOOR
from rankq_jax.envs.adroit.hand import Hand, env_specs, joint_return, joint_travel, simulate
from rankq_jax.envs.adroit.pen import PEN
from rankq_jax.envs.adroit.relocate import RELOCATE

HANDS = {"pen": PEN, "door": DOOR, "relocate": RELOCATE}

__all__ = ["HANDS", "Hand", "env_specs", "joint_return", "joint_travel", "simulate"]
