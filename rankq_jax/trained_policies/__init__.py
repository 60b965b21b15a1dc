"""Exported policies: small npz files of weights, and their greedy actions in numpy.

It needs numpy and no other package, so that a policy acts without JAX and without a simulator. The format
is described in docs/exporting.md. What numpy cannot act with is kept as files of weights, parameters by name.
"""

from rankq_jax.trained_policies.encoders import Encoder, Entry, Pixels
from rankq_jax.trained_policies.policies import SQUASHES, TrainedPolicy
from rankq_jax.trained_policies.pretrained import located
from rankq_jax.trained_policies.storage import FORMAT, MOST_BYTES, load_policy, save_policy
from rankq_jax.trained_policies.weights import Weights, digest_of, load_weights, save_weights

__all__ = [
    "FORMAT",
    "MOST_BYTES",
    "SQUASHES",
    "Encoder",
    "Entry",
    "Pixels",
    "TrainedPolicy",
    "Weights",
    "digest_of",
    "load_policy",
    "load_weights",
    "located",
    "save_policy",
    "save_weights",
]
