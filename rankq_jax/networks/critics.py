"""Action values and state values."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rankq_jax.bounds import Members, Switch, Widths, checked
from rankq_jax.networks.initializers import Initializer, orthogonal
from rankq_jax.networks.mlp import FLOAT32, MLP, Arithmetic, LayerNorm, flat, network
from rankq_jax.types import Critic, Key, Params, Value


@checked()
def ensemble(
    hidden: Widths,
    members: Members = 2,
    layer_norm: LayerNorm = "none",
    initializer: Initializer | None = None,
    unrolled: Switch = False,
    arithmetic: Arithmetic = FLOAT32,
) -> Critic:
    """`members` independently initialised networks of (observation, action).

    N actions of one state are N rows of one call: a vmap over them would leave XLA to find a layout, which
    on CPU costs a quarter of the time of an update. The features are joined to each
    action before the first layer; multiplying their part of it once for all actions measured no faster on CPU
    for observations of robots (benchmarks.layouts).

    Args:
      hidden: width of each hidden layer.
      members: E, at least 1.
      layer_norm: of the hidden layers, `none`, `before` or `after` their ReLU.
      initializer: of the weights; None: orthogonal with a last gain of 0.01.
      unrolled: one matrix product after another for the members, in place of batched ones (a vmap). The
        numbers are the same up to rounding; which is faster depends on the device.
      arithmetic: see `Arithmetic`.

    Raises:
      ValueError: if a value is out of bounds.
    """
    first = orthogonal(0.01) if initializer is None else initializer
    init_head, head = network(MLP(tuple(hidden), 1, first, layer_norm, arithmetic=arithmetic))

    of_rows = functools.partial(_of_rows, head, members if unrolled else None)

    def init(key: Key, observation: Any, action: jax.Array) -> Params:
        _, k_heads = jax.random.split(key)
        inputs = jnp.concatenate([observation, flat(action, observation)], axis=-1)
        keys = jax.random.split(k_heads, members)
        return {"heads": jax.vmap(init_head, in_axes=(0, None))(keys, inputs)}

    def apply(params: Params, observation: Any, action: jax.Array) -> jax.Array:
        return of_rows(params["heads"], jnp.concatenate([observation, flat(action, observation)], axis=-1))

    def apply_to_set(params: Params, observation: Any, actions: jax.Array) -> jax.Array:
        rows, samples = actions.shape[:2]
        repeated = jnp.broadcast_to(observation[:, None], (rows, samples, observation.shape[-1]))
        inputs = jnp.concatenate([repeated, flat(actions, repeated)], axis=-1)
        q = of_rows(params["heads"], inputs.reshape(rows * samples, -1))
        return q.reshape(members, rows, samples)

    return Critic(init, apply, apply_to_set)


def _of_rows(
    head: Callable[..., jax.Array], unrolled: int | None, heads: Params, inputs: jax.Array
) -> jax.Array:
    """`[R, F + A] -> [E, R]`; `unrolled` is E, or None for one batched product of all members."""
    if unrolled is None:
        return jax.vmap(head, in_axes=(0, None))(heads, inputs)[..., 0]
    each = [head(jax.tree.map(lambda x, e=e: x[e], heads), inputs) for e in range(unrolled)]
    return jnp.stack(each)[..., 0]


def over_actions(apply: Callable[[Params, Any, jax.Array], jax.Array]) -> Callable[..., jax.Array]:
    """`Critic.apply_to_set` of any `Critic.apply`, by a vmap over the actions."""
    return jax.vmap(apply, in_axes=(None, None, 1), out_axes=-1)


@checked()
def state_value(
    hidden: Widths,
    initializer: Initializer | None = None,
    arithmetic: Arithmetic = FLOAT32,
) -> Value:
    """One network of the observation.

    Args:
      hidden: width of each hidden layer.
      initializer: of the weights; None: orthogonal with gain sqrt(2) everywhere.
      arithmetic: see `Arithmetic`.
    """
    first = orthogonal(2.0**0.5) if initializer is None else initializer
    init, body = network(MLP(tuple(hidden), 1, first, arithmetic=arithmetic))

    def apply(params: Params, observation: Any) -> jax.Array:
        return body(params, observation)[..., 0]

    return Value(init, apply)
