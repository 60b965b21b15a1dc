"""Networks as the published code of each family of algorithms builds them.

The heads of the policies and the first weights differ between families, and the differences are part of the
algorithms; widths are the caller's.
"""

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

from rankq_jax.bounds import (
    Count,
    Dropout,
    Members,
    Optional,
    Switch,
    Widths,
    bound_of,
    checked,
    refuse_fields,
)
from rankq_jax.errors import add_name
from rankq_jax.networks import initializers
from rankq_jax.networks.critics import ensemble, state_value
from rankq_jax.networks.deterministic import deterministic
from rankq_jax.networks.encoded import encoded_critic, encoded_policy, encoded_value
from rankq_jax.networks.encoders import AUTO, EncoderSizes, encoder_of
from rankq_jax.networks.gaussian import LOG_STD_RANGE, gaussian, tanh_gaussian
from rankq_jax.networks.initializers import Initializer
from rankq_jax.networks.mlp import FLOAT32, Arithmetic, LayerNorm
from rankq_jax.specs import TaskSpec
from rankq_jax.types import Critic, Policy, Value


class Sizes(NamedTuple):
    """What a user of a preset chooses freely; see `sizes`."""

    actor_hidden: Widths
    critic_hidden: Widths
    critics: Members
    action_size: Count
    critic_layer_norm: LayerNorm = "none"
    actor_dropout: Dropout = 0.0
    unrolled_critics: Switch = False
    arithmetic: Arithmetic = FLOAT32
    encoder: Any = None


class Networks(NamedTuple):
    """The networks that agents are built from; an algorithm uses those it needs.

    Attributes:
      policy: the policy.
      critic: action values.
      value: a state value.
      action_size: A, the numbers of an action.
    """

    policy: Policy
    critic: Critic
    value: Value
    action_size: int


Preset = Callable[..., Networks]  # arguments as in `sizes`
FAMILIES: dict[str, Preset] = {}
_ENCODER = EncoderSizes()
_bound = bound_of(Widths)
assert _bound is not None
MaybeWidths = Annotated[Any, Optional(_bound)]


@checked()
def sizes(
    spec: TaskSpec | int,
    hidden: Widths = (256, 256),
    *,
    actor_hidden: MaybeWidths = None,
    critic_hidden: MaybeWidths = None,
    critics: Members = 2,
    critic_layer_norm: LayerNorm = "none",
    actor_dropout: Dropout = 0.0,
    unrolled_critics: Switch = False,
    arithmetic: Arithmetic = FLOAT32,
    encoder: Any = AUTO,
    encoder_filters: Widths = _ENCODER.filters,
    encoder_features: Count = _ENCODER.features,
) -> Sizes:
    """The sizes of networks.

    Args:
      spec: `Task.spec`, or the size of an action where observations are vectors.
      hidden: widths of the hidden layers of all networks.
      actor_hidden: those of the policy; None: `hidden`.
      critic_hidden: those of each critic member and of the state value; None: `hidden`.
      critics: members of the critic.
      critic_layer_norm: layer normalization `before` or `after` each ReLU of the critic, or `none`.
      actor_dropout: dropout rate in the policy's hidden layers; only Gaussian presets have it.
      unrolled_critics: see `critics.ensemble`.
      arithmetic: of all networks, see `mlp.Arithmetic`.
      encoder: what each network sees an observation through, see `encoders.encoder_of`.
      encoder_filters: of the convolutions of a CNN.
      encoder_features: that a CNN makes of an image.

    Raises:
      ValueError: if a value is out of bounds, or the encoder does not fit the observation.
    """
    observation = spec.observation if isinstance(spec, TaskSpec) else None
    of_encoder = EncoderSizes(encoder_filters, encoder_features, arithmetic)
    chosen = Sizes(
        actor_hidden=hidden if actor_hidden is None else actor_hidden,
        critic_hidden=hidden if critic_hidden is None else critic_hidden,
        critics=critics,
        action_size=spec.action_size if isinstance(spec, TaskSpec) else spec,
        critic_layer_norm=critic_layer_norm,
        actor_dropout=actor_dropout,
        unrolled_critics=unrolled_critics,
        arithmetic=arithmetic,
        encoder=encoder_of(observation, encoder, of_encoder),
    )
    refuse_fields(chosen)
    return chosen


def register_networks(name: str, preset: Preset) -> Preset:
    """Adds a preset to `FAMILIES`; its name is then a value of the configuration's field `networks`.

    Raises:
      ValueError: if the name belongs to another preset.
    """
    return add_name(FAMILIES, "networks preset", name, preset)


def preset(build: Callable[[Sizes], Networks]) -> Preset:
    """A decorator: `build`, which takes the arguments of `sizes` and is registered under its own name.

    `build` makes networks of features; the encoder is put before each of them.
    """

    def call(spec: TaskSpec | int, hidden: Widths = (256, 256), **arguments: Any) -> Networks:
        chosen = sizes(spec, hidden, **arguments)
        return encoded(build(chosen), chosen.encoder)

    call.__name__, call.__qualname__ = build.__name__, build.__qualname__
    call.__module__, call.__doc__ = build.__module__, build.__doc__
    return register_networks(build.__name__, checked(sizes)(call))


def encoded(networks: Networks, encoder: Any) -> Networks:
    """Networks of features as networks of observations, each with an own encoder; None changes nothing."""
    if encoder is None:
        return networks
    return networks._replace(
        policy=encoded_policy(networks.policy, encoder),
        critic=encoded_critic(networks.critic, encoder),
        value=encoded_value(networks.value, encoder),
    )


def with_critics(policy: Policy, sizes: Sizes, critic: Initializer, value: Initializer) -> Networks:
    """A policy beside a critic and a state value of those sizes and first weights."""
    members = ensemble(
        sizes.critic_hidden,
        sizes.critics,
        layer_norm=sizes.critic_layer_norm,
        initializer=critic,
        unrolled=sizes.unrolled_critics,
        arithmetic=sizes.arithmetic,
    )
    state = state_value(sizes.critic_hidden, value, sizes.arithmetic)
    return Networks(policy, members, state, sizes.action_size)


def refuse_dropout(sizes: Sizes) -> None:
    """Refuses dropout in a policy that has none.

    Raises:
      ValueError: names the argument.
    """
    if sizes.actor_dropout > 0.0:
        raise ValueError("actor_dropout is for the Gaussian policies of the families iql and awac")


@preset
def cal_ql(sizes: Sizes) -> Networks:
    """SAC, CQL, Cal-QL and RankQ: tanh-Gaussian, orthogonal weights, a small last layer (Cal-QL code)."""
    refuse_dropout(sizes)
    first = initializers.orthogonal(0.01)
    policy = tanh_gaussian(sizes.actor_hidden, sizes.action_size, first, arithmetic=sizes.arithmetic)
    return with_critics(policy, sizes, first, first)


@preset
def iql(sizes: Sizes) -> Networks:
    """Gaussian with a tanh mean and its own deviation, orthogonal gain sqrt(2) everywhere (IQL code)."""
    first = initializers.orthogonal(2.0**0.5)
    policy = gaussian(
        sizes.actor_hidden,
        sizes.action_size,
        first,
        dropout=sizes.actor_dropout,
        arithmetic=sizes.arithmetic,
    )
    return with_critics(policy, sizes, first, first)


@preset
def awac(sizes: Sizes) -> Networks:
    """Gaussian whose mean is not squashed, weights uniform by fan-in (CORL code)."""
    first = initializers.fan_in_uniform()
    policy = gaussian(
        sizes.actor_hidden,
        sizes.action_size,
        first,
        squash_mean=False,
        log_std_range=LOG_STD_RANGE,
        dropout=sizes.actor_dropout,
        arithmetic=sizes.arithmetic,
    )
    return with_critics(policy, sizes, first, first)


@preset
def td3(sizes: Sizes) -> Networks:
    """Deterministic, weights uniform by fan-in (TD3+BC code)."""
    refuse_dropout(sizes)
    first = initializers.fan_in_uniform()
    policy = deterministic(sizes.actor_hidden, sizes.action_size, first, sizes.arithmetic)
    return with_critics(policy, sizes, first, first)


@preset
def rebrac(sizes: Sizes) -> Networks:
    """Deterministic, last layers uniform in +-1e-3 (policy) and +-3e-3 (critics), as in the ReBRAC code."""
    refuse_dropout(sizes)
    first = initializers.small_output(1e-3)
    policy = deterministic(sizes.actor_hidden, sizes.action_size, first, sizes.arithmetic)
    critic = initializers.small_output(3e-3)
    return with_critics(policy, sizes, critic, critic)


@preset
def rlpd(sizes: Sizes) -> Networks:
    """Tanh-Gaussian without learned scalars, Xavier-uniform weights (RLPD code)."""
    refuse_dropout(sizes)
    first = initializers.xavier()
    policy = tanh_gaussian(
        sizes.actor_hidden, sizes.action_size, first, learned_scale=False, arithmetic=sizes.arithmetic
    )
    return with_critics(policy, sizes, first, first)
