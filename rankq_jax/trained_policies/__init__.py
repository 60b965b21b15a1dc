"""Exported policies: small npz files of weights, and their greedy actions in numpy.

It needs numpy and no other package, so that a policy acts without JAX and without a simulator. The format
is described in docs/exporting.md.
"""

from rankq_jax.trained_policies.encoders import Encoder, Entry, Pixels
from rankq_jax.trained_policies.policies import SQUASHES, TrainedPolicy
from rankq_jax.trained_policies.storage import FORMAT, MOST_BYTES, load_policy, save_policy

__all__ = [
    "FORMAT",
    "MOST_BYTES",
    "SQUASHES",
    "Encoder",
    "Entry",
    "Pixels",
    "TrainedPolicy",
    "load_policy",
    "save_policy",
]
