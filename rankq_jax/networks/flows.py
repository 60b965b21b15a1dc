"""Policies that integrate a velocity from noise to an action (flow matching)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from rankq_jax.bounds import Count, checked
from rankq_jax.losses.flow import generate
from rankq_jax.networks.encoded import ENCODER
from rankq_jax.networks.initializers import Initializer, fan_in_uniform
from rankq_jax.networks.mlp import MLP, Arithmetic, network
from rankq_jax.networks.presets import Networks, Sizes, preset, refuse_dropout, with_critics
from rankq_jax.types import Key, Params, Policy

HEAD = "velocity"  # names the parameters of the velocity, beside those of the backbone under ENCODER
AUXILIARY = "auxiliary"  # names those of the auxiliary heads
NOISE = "noise"  # names those of the noise head
STEPS = 10  # of integration (openpi; open-pi-zero)
TIME = 32  # size of the embedding that a perceptron sees
LONGEST, SHORTEST = 4.0, 4e-3  # periods of the embedding of a flow time, as in the code of openpi


class Prefix(NamedTuple):
    """What a flow policy computes of an observation once, however often its velocity is asked for.

    The leaves lead with `[B]`, so that prefixes are rows of a buffer like observations.

    Attributes:
      kv: `[B, L, 2, P, d]`, keys (rotated) and values of P tokens in L layers of a transformer; L is 0 where
        there is none.
      mask: `[B, P]` bool, which tokens there are.
      h: `[B, H]` float32, the readout: what critics see of the observation.
    """

    kv: jax.Array
    mask: jax.Array
    h: jax.Array


class Flow(NamedTuple):
    """The velocity that a policy integrates from noise, flow time 0, to an action, flow time 1.

    The parameters are a dictionary; `networks.split` parts them into those of the backbone, which only
    `encode` reads, and those of the head.

    Attributes:
      encode: `(params, observation [B, *O]) -> Prefix`.
      velocity: `(params, x [B, *A], tau [B], Prefix, proprio) -> [B, *A]`.
      proprio: `observation -> [B, p]`, what the head sees beside the prefix; None: nothing.
      predict: `(params, h [B, H]) -> action [B, *A], next proprio [B, p]`, auxiliary heads that train the
        readout; None in place of the function where there are none.
      refuse: `observation [B, *O] -> None`, raises a ValueError where values of data do not fit the networks.
      log_deviation: `(params, h [B, H], tau [B]) -> [B, A]`, of the noise that a step of the integration at
        that time ends with, see `sac_flow.noisy`; None in place of the function: steps have no noise.
    """

    encode: Callable[[Params, Any], Prefix]
    velocity: Callable[[Params, jax.Array, jax.Array, Prefix, Any], jax.Array]
    proprio: Callable[[Any], Any]
    predict: Callable[[Params, jax.Array], tuple[jax.Array, jax.Array]] | None = None
    refuse: Callable[[Any], None] | None = None
    log_deviation: Callable[[Params, jax.Array, jax.Array], jax.Array] | None = None


Init = Callable[[Key, Any, Any], Params]


def split(params: Mapping[str, Params]) -> tuple[dict[str, Params], dict[str, Params]]:
    """The parameters of a flow policy in two parts: of the backbone, and of the head with all others.

    `Flow.encode` works with the first, `Flow.velocity` with the second.
    """
    backbone = {name: part for name, part in params.items() if name == ENCODER}
    return backbone, {name: part for name, part in params.items() if name != ENCODER}


def merge(backbone: Mapping[str, Params], head: Mapping[str, Params]) -> dict[str, Params]:
    """The parameters that `split` parted."""
    return {**backbone, **head}


def embed_time(tau: jax.Array, size: int) -> jax.Array:
    """`[B] -> [B, size]`: sines and cosines of a flow time, periods from 0.004 to 4 (openpi)."""
    period = np.geomspace(SHORTEST, LONGEST, size // 2)  # float64: of 250 turns float32 would lose digits
    turns = tau[:, None] * (1.0 / period).astype(np.float32)[None]
    angle = 2.0 * jnp.pi * (turns - jnp.floor(turns))
    return jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], axis=-1)


@checked()
def integrating(flow: Flow, init: Init, action_size: Count, steps: Count = STEPS) -> Policy:
    """A policy that integrates a velocity in Euler steps and clips the result to the box.

    A sample starts from Gaussian noise. The mode starts from zero, the mean of the noise, so that it draws
    nothing. There is no density.

    Args:
      flow: the velocity.
      init: as `Policy.init`.
      action_size: A.
      steps: K of `losses.flow.generate`.
    """

    def from_noise(params: Params, observation: Any, noise: jax.Array) -> jax.Array:
        prefix, proprio = flow.encode(params, observation), flow.proprio(observation)
        x = generate(lambda x, tau: flow.velocity(params, x, tau, prefix, proprio), noise, steps)
        return jnp.clip(x, -1.0, 1.0)

    def sample(params: Params, observation: Any, key: Key) -> tuple[jax.Array, jax.Array]:
        rows = jax.tree.leaves(observation)[0].shape[0]
        action = from_noise(params, observation, jax.random.normal(key, (rows, action_size)))
        return action, jnp.full((rows,), jnp.nan, action.dtype)

    def mode(params: Params, observation: Any) -> jax.Array:
        rows = jax.tree.leaves(observation)[0].shape[0]
        return from_noise(params, observation, jnp.zeros((rows, action_size)))

    return Policy(init, sample, mode, None, flow)


class Rows(nn.Module):
    """The velocity of a perceptron of features, point and embedded time.

    Attributes:
      hidden: widths of the hidden layers.
      action_size: A.
      initializer: of the weights.
      arithmetic: see `mlp.Arithmetic`.
    """

    hidden: Sequence[int]
    action_size: int
    initializer: Initializer
    arithmetic: Arithmetic

    @nn.compact
    def __call__(self, x: jax.Array, tau: jax.Array, h: jax.Array) -> jax.Array:
        """`[B, A], [B], [B, H] -> [B, A]`."""
        inputs = jnp.concatenate([h, x, embed_time(tau, TIME)], axis=-1)
        return MLP(self.hidden, self.action_size, self.initializer, arithmetic=self.arithmetic)(inputs)


def _of_vectors(
    hidden: Sequence[int], action_size: int, first: Initializer, arithmetic: Arithmetic
) -> Policy:
    """A flow policy whose velocity is a perceptron of the observation, a vector."""
    init_head, head = network(Rows(tuple(hidden), action_size, first, arithmetic))

    def encode(params: Params, observation: Any) -> Prefix:
        del params
        rows = observation.shape[0]
        return Prefix(jnp.zeros((rows, 0, 2, 0, 0)), jnp.zeros((rows, 0), bool), observation)

    def init(key: Key, observation: Any, action: jax.Array) -> Params:
        noise = jnp.zeros((observation.shape[0], action_size))
        return {HEAD: init_head(key, noise, noise[:, 0], observation)}

    def velocity(params: Params, x: jax.Array, tau: jax.Array, prefix: Prefix, proprio: Any) -> jax.Array:
        del proprio
        return head(params[HEAD], x, tau, prefix.h)

    return integrating(Flow(encode, velocity, proprio=lambda observation: None), init, action_size)


@preset
def flow(sizes: Sizes) -> Networks:
    """A perceptron as the velocity of a flow policy, weights uniform by fan-in; this project's own."""
    refuse_dropout(sizes)
    first = fan_in_uniform()
    policy = _of_vectors(sizes.actor_hidden, sizes.action_size, first, sizes.arithmetic)
    return with_critics(policy, sizes, first, first)
