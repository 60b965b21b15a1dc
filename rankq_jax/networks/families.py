"""Networks as the published code of each family of algorithms builds them.

The heads of the policies and the first weights differ between families, and the differences are part of the
algorithms; widths are the caller's.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

from rankq_jax.bounds import Count, Dropout, Members, Switch, Widths, refuse_fields
from rankq_jax.networks import initialisers
from rankq_jax.networks.critics import ensemble, state_value
from rankq_jax.networks.deterministic import deterministic
from rankq_jax.networks.gaussian import LOG_STD_RANGE, gaussian, tanh_gaussian
from rankq_jax.networks.initialisers import Initialiser
from rankq_jax.networks.mlp import FLOAT32, Arithmetic, LayerNorm
from rankq_jax.types import Critic, Policy, Value


class Sizes(NamedTuple):
    """What a configuration chooses freely.

    Attributes:
      actor_hidden: widths of the policy's hidden layers.
      critic_hidden: widths of the hidden layers of each critic member and of the state value.
      critics: members.
      action_size: A.
      critic_layer_norm: see `mlp.MLP`.
      actor_dropout: rate in the policy's hidden layers; Gaussian families alone have it.
      unrolled_critics: see `critics.ensemble`.
      arithmetic: of all networks, see `mlp.Arithmetic`.
    """

    actor_hidden: Widths
    critic_hidden: Widths
    critics: Members
    action_size: Count
    critic_layer_norm: LayerNorm = "none"
    actor_dropout: Dropout = 0.0
    unrolled_critics: Switch = False
    arithmetic: Arithmetic = FLOAT32


class Networks(NamedTuple):
    """A policy, action values and a state value; an algorithm uses those it needs."""

    policy: Policy
    critic: Critic
    value: Value


Family = Callable[[Sizes], Networks]


def _family(build: Family) -> Family:
    """`build`, which refuses sizes that are out of bounds with a ValueError that names the field."""

    @functools.wraps(build)
    def checked(sizes: Sizes) -> Networks:
        refuse_fields(sizes)
        return build(sizes)

    return checked


def _networks(policy: Policy, sizes: Sizes, critic: Initialiser, value: Initialiser) -> Networks:
    members = ensemble(
        sizes.critic_hidden,
        sizes.critics,
        layer_norm=sizes.critic_layer_norm,
        initialiser=critic,
        unrolled=sizes.unrolled_critics,
        arithmetic=sizes.arithmetic,
    )
    return Networks(policy, members, state_value(sizes.critic_hidden, value, sizes.arithmetic))


def _no_dropout(sizes: Sizes) -> None:
    if sizes.actor_dropout > 0.0:
        raise ValueError("actor_dropout is for the Gaussian policies of the families iql and awac")


@_family
def cal_ql(sizes: Sizes) -> Networks:
    """SAC, CQL, Cal-QL and RankQ: tanh-Gaussian, orthogonal weights, a small last layer (Cal-QL code)."""
    _no_dropout(sizes)
    first = initialisers.orthogonal(0.01)
    policy = tanh_gaussian(sizes.actor_hidden, sizes.action_size, first, arithmetic=sizes.arithmetic)
    return _networks(policy, sizes, first, first)


@_family
def iql(sizes: Sizes) -> Networks:
    """Gaussian with a tanh mean and its own deviation, orthogonal gain sqrt(2) everywhere (IQL code)."""
    first = initialisers.orthogonal(2.0**0.5)
    policy = gaussian(
        sizes.actor_hidden,
        sizes.action_size,
        first,
        dropout=sizes.actor_dropout,
        arithmetic=sizes.arithmetic,
    )
    return _networks(policy, sizes, first, first)


@_family
def awac(sizes: Sizes) -> Networks:
    """Gaussian whose mean is not squashed, weights uniform by fan-in (CORL code)."""
    first = initialisers.fan_in_uniform()
    policy = gaussian(
        sizes.actor_hidden,
        sizes.action_size,
        first,
        squash_mean=False,
        log_std_range=LOG_STD_RANGE,
        dropout=sizes.actor_dropout,
        arithmetic=sizes.arithmetic,
    )
    return _networks(policy, sizes, first, first)


@_family
def td3(sizes: Sizes) -> Networks:
    """Deterministic, weights uniform by fan-in (TD3+BC code)."""
    _no_dropout(sizes)
    first = initialisers.fan_in_uniform()
    policy = deterministic(sizes.actor_hidden, sizes.action_size, first, sizes.arithmetic)
    return _networks(policy, sizes, first, first)


@_family
def rebrac(sizes: Sizes) -> Networks:
    """Deterministic, last layers uniform in +-1e-3 (policy) and +-3e-3 (critics), as in the ReBRAC code."""
    _no_dropout(sizes)
    first = initialisers.small_output(1e-3)
    policy = deterministic(sizes.actor_hidden, sizes.action_size, first, sizes.arithmetic)
    critic = initialisers.small_output(3e-3)
    return _networks(policy, sizes, critic, critic)


@_family
def rlpd(sizes: Sizes) -> Networks:
    """Tanh-Gaussian without learned scalars, Xavier-uniform weights (RLPD code)."""
    _no_dropout(sizes)
    first = initialisers.xavier()
    policy = tanh_gaussian(
        sizes.actor_hidden, sizes.action_size, first, learned_scale=False, arithmetic=sizes.arithmetic
    )
    return _networks(policy, sizes, first, first)


FAMILIES: dict[str, Family] = {
    "cal_ql": cal_ql, "iql": iql, "awac": awac, "td3": td3, "rebrac": rebrac, "rlpd": rlpd,
}  # fmt: skip
