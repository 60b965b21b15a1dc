"""What a frozen backbone makes of an observation, as an observation: keys, values and the readout in float16.

A backbone that never changes makes the same of an observation whenever it is asked. So an environment can
carry that in place of the image, and the networks behind it read it back.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from rankq_jax.networks.flows import Prefix
from rankq_jax.networks.vla.sizes import ABSOLUTE, INSTRUCTION, PROPRIO, CriticActions
from rankq_jax.types import Critic, Value

KV, MASK, H = "kv", "mask", "h"  # arrays of the features, beside those of `KEPT`
REFERENCE = "reference"  # a further one where critics see relative actions: what the first policy would do
UNIT = 1 / 3  # of a relative action; the first noise of SACFlow is a third of it
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
    return isinstance(observation, Mapping) and set(observation) - {REFERENCE} == {KV, MASK, H, *KEPT}


def _seen(observation: Mapping[str, Any]) -> jax.Array:
    """`[B, H + p]`: the readout and the robot's own state, as `Readout` has them."""
    return jnp.concatenate([prefix_of(observation).h, observation[PROPRIO]], axis=-1)


def _of_features(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose second argument is a vector as one of features: key or parameters come first."""
    return lambda first, observation, *rest: function(first, _seen(observation), *rest)


def critic_of_features(critic: Critic, actions: CriticActions = ABSOLUTE) -> Critic:
    """A critic of the readout and the robot's own state as one of features.

    A recorded action tells in what state it was taken, and critics that have learned for a short time value
    it for that state: they take the rest after a success for a good action anywhere. A relative action, the
    difference to what the first policy would do, tells little of the state.

    Args:
      critic: of vectors.
      actions: `absolute`: it sees actions as they are. `relative`: their differences to `REFERENCE`, divided
        by `UNIT`.
    """
    init, apply, apply_to_set = map(_of_features, critic)
    if actions == ABSOLUTE:
        return Critic(init, apply, apply_to_set)

    def relative(observation: Mapping[str, Any], action: jax.Array) -> jax.Array:
        of_rows = observation[REFERENCE]  # [B, A]
        return (action - (of_rows if action.ndim == of_rows.ndim else of_rows[:, None])) / UNIT

    return Critic(
        init,
        lambda params, observation, action: apply(params, observation, relative(observation, action)),
        lambda params, observation, actions: apply_to_set(
            params, observation, relative(observation, actions)
        ),
    )


def value_of_features(value: Value) -> Value:
    """A state value likewise."""
    return Value(*map(_of_features, value))
