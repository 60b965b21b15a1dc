"""What a frozen backbone makes of an observation, as an observation: keys, values and the readout in float16.

A backbone that never changes makes the same of an observation whenever it is asked. So an environment can
carry that in place of the image, and the networks behind it read it back.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from rankq_jax.networks.flows import Prefix
from rankq_jax.networks.vla.sizes import INSTRUCTION, PROPRIO
from rankq_jax.types import Critic, Value

KV, MASK, H = "kv", "mask", "h"  # arrays of the features, beside those of `KEPT`
KEPT = (INSTRUCTION, PROPRIO)
STORED = jnp.float16  # of keys, values and readout


def features(prefix: Prefix, observation: Mapping[str, Any]) -> dict[str, Any]:
    """`{kv [B, L, 2, P, d], mask [B, P], h [B, H], instruction, proprio}`; kv and h in float16."""
    kept = {name: observation[name] for name in KEPT}
    return {KV: prefix.kv.astype(STORED), MASK: prefix.mask, H: prefix.h.astype(STORED), **kept}


def prefix_of(observation: Mapping[str, Any]) -> Prefix:
    """The prefix that `features` has stored, in float32."""
    kv, h = (jnp.asarray(observation[name], jnp.float32) for name in (KV, H))
    return Prefix(kv, observation[MASK], h)


def are_features(observation: Any) -> bool:
    """Whether an observation, or its specification, is one that `features` returns."""
    return isinstance(observation, Mapping) and set(observation) == {KV, MASK, H, *KEPT}


def _seen(observation: Mapping[str, Any]) -> jax.Array:
    """`[B, H + p]`: the readout and the robot's own state, as `Readout` has them."""
    return jnp.concatenate([prefix_of(observation).h, observation[PROPRIO]], axis=-1)


def _of_features(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose second argument is a vector as one of features: key or parameters come first."""
    return lambda first, observation, *rest: function(first, _seen(observation), *rest)


def critic_of_features(critic: Critic) -> Critic:
    """A critic of the readout and the robot's own state as one of features."""
    return Critic(*map(_of_features, critic))


def value_of_features(value: Value) -> Value:
    """A state value likewise."""
    return Value(*map(_of_features, value))
