"""Deterministic policies."""

from typing import Any

import jax
import jax.numpy as jnp

from rankq_jax.bounds import Count, Widths, checked
from rankq_jax.networks.initializers import Initializer, fan_in_uniform
from rankq_jax.networks.mlp import FLOAT32, MLP, Arithmetic, network
from rankq_jax.types import Key, Params, Policy


@checked()
def deterministic(
    hidden: Widths,
    action_size: Count,
    initializer: Initializer | None = None,
    arithmetic: Arithmetic = FLOAT32,
) -> Policy:
    """`tanh` of a network, as in TD3 (arXiv 1802.09477). It has no density, and its sample is its mode.

    Args:
      hidden: width of each hidden layer.
      action_size: A.
      initializer: of the weights; None: uniform by fan-in.
      arithmetic: see `Arithmetic`.
    """
    first = fan_in_uniform() if initializer is None else initializer
    init_body, body = network(MLP(tuple(hidden), action_size, first, arithmetic=arithmetic))

    def init(key: Key, observation: Any, action: jax.Array) -> Params:
        del action
        return init_body(key, observation)

    def mode(params: Params, observation: Any) -> jax.Array:
        return jnp.tanh(body(params, observation))

    def sample(params: Params, observation: Any, key: Key) -> tuple[jax.Array, jax.Array]:
        del key
        action = mode(params, observation)
        return action, jnp.full(action.shape[:1], jnp.nan, action.dtype)

    return Policy(init, sample, mode, None)
