"""Scores of actions, for learning to rank."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from rankq_jax.bounds import Dropout, Widths, checked
from rankq_jax.networks.encoded import Look
from rankq_jax.networks.initializers import fan_in_uniform
from rankq_jax.networks.mlp import MLP, flat, network
from rankq_jax.types import Key, Params


class Scorer(NamedTuple):
    """One number for an action at a state.

    Attributes:
      init: `(key, observation [B, *O], action [B, *A]) -> params`.
      apply: `(params, observation, action, key) -> [B]`; a key switches dropout on, None leaves it off.
    """

    init: Callable[[Key, Any, Any], Params]
    apply: Callable[..., jax.Array]


@checked()
def scorer(hidden: Widths = (512, 256), dropout: Dropout = 0.5) -> Scorer:
    """The RankNet of OAP (table 5): a multilayer perceptron of (observation, action) with dropout.

    Args:
      hidden: width of each hidden layer.
      dropout: rate after each hidden layer.
    """
    init_body, body = network(MLP(tuple(hidden), 1, fan_in_uniform(), dropout=dropout))

    def inputs(observation: jax.Array, action: jax.Array) -> jax.Array:
        return jnp.concatenate([observation, flat(action, observation)], axis=-1)

    def init(key: Key, observation: Any, action: Any) -> Params:
        return init_body(key, inputs(observation, action))

    def apply(params: Params, observation: Any, action: Any, key: Key | None = None) -> jax.Array:
        return body(params, inputs(observation, action), key)[..., 0]

    return Scorer(init, apply)


def encoded_scorer(scorer: Scorer, encoder: nn.Module | None) -> Scorer:
    """A scorer of features as one of observations, with an encoder of its own; None changes nothing."""
    if encoder is None:
        return scorer
    look = Look(*network(encoder))

    def apply(params: Params, observation: Any, action: Any, key: Key | None = None) -> jax.Array:
        return scorer.apply(*look.parts(params, observation), action, key)

    return Scorer(lambda key, *given: look.start(scorer.init, key, *given), apply)
