"""Clipping of the gradient of an ensemble, one member by itself."""

from typing import Any

import jax
import optax

from rankq_jax.types import Params


def clip_members(max_norm: float) -> optax.GradientTransformation:
    """Scales the gradient of each critic member down to `max_norm`, as `optax.clip_by_global_norm` does one.

    In the Cal-QL code each of two critics has an optimizer of its own, so that one whose gradient is large
    does not shrink the step of the other. What members share, an encoder, is clipped as one group.

    Args:
      max_norm: largest Euclidean norm over all parameters of a member.

    Returns:
      A transformation of gradients like the parameters of `networks.ensemble`: leaves `[E, ...]` under
      `heads`, and what is shared under other names.
    """
    shared = optax.clip_by_global_norm(max_norm)

    def clipped(heads: Params) -> Params:
        def one(member: Params) -> Params:
            return shared.update(member, optax.EmptyState())[0]

        return jax.vmap(one)(heads)

    def update(
        updates: Any, state: optax.EmptyState, params: Any = None
    ) -> tuple[dict[str, Any], optax.EmptyState]:
        del params
        groups = {name: shared.update(group, state)[0] for name, group in updates.items() if name != "heads"}
        return {**groups, "heads": clipped(updates["heads"])}, state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)
