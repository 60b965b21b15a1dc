"""How the encoders of an agent's networks train: each by its network, all by the critic, or not at all.

Where observations are encoded before an agent sees them, `cached`, its networks have no encoder.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from rankq_jax.agents.optimizers import Optimizers
from rankq_jax.agents.state import Trainable
from rankq_jax.bounds import OneOf, refuse
from rankq_jax.networks import Networks
from rankq_jax.networks.encoded import ENCODER
from rankq_jax.networks.encoders import PROJECTION
from rankq_jax.networks.flows import Flow
from rankq_jax.types import Agent, Key, Metrics, Params, Transition

SEPARATE, SHARED, FROZEN, CACHED = "separate", "shared", "frozen", "cached"
HOW = (SEPARATE, SHARED, FROZEN, CACHED)
WITHOUT_PARAMETERS = ("init", "proprio", "refuse")  # functions of networks that take no parameters


class SharedWithoutCritic(ValueError):
    """An encoder is to be trained by a critic that an agent does not have."""


def _names(path: Any) -> list[str]:
    return [str(part.key) for part in path if isinstance(part, jax.tree_util.DictKey)]


def _of_encoder(path: Any) -> bool:
    return ENCODER in _names(path)


def _common(path: Any) -> bool:
    """Whether a parameter belongs to the part of an encoder that networks share: all but its projection."""
    return _of_encoder(path) and PROJECTION not in _names(path)


def _held(network: Any, still: Callable[[Any], bool]) -> Any:
    """A `Policy`, `Flow`, `Critic` or `Value` without gradients of the parameters whose path is `still`."""

    def stopped(path: Any, leaf: jax.Array) -> jax.Array:
        return jax.lax.stop_gradient(leaf) if still(path) else leaf

    def holding(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda params, *rest: function(jax.tree_util.tree_map_with_path(stopped, params), *rest)

    def held(name: str, part: Any) -> Any:
        if name in WITHOUT_PARAMETERS or part is None:
            return part
        return _held(part, still) if isinstance(part, Flow) else holding(part)

    return network._replace(**{name: held(name, part) for name, part in network._asdict().items()})


def _copied(mine: Params, theirs: Params) -> Params:
    """Parameters of a network with the common ones of another in copies, so that no buffer is held twice."""
    return jax.tree_util.tree_map_with_path(
        lambda path, own, other: jnp.copy(other) if _common((jax.tree_util.DictKey(ENCODER), *path)) else own,
        mine,
        theirs,
    )


def _has_encoder(part: Any) -> bool:
    return isinstance(part, Trainable) and isinstance(part.params, Mapping) and ENCODER in part.params


def _follow_the_critic(state: Any) -> Any:
    """`state` with the critic's common parameters in every other network that is trained."""
    parts = {name: getattr(state, name) for name in state._fields if _has_encoder(getattr(state, name))}
    if not parts:
        return state
    if "critic" not in parts:
        raise SharedWithoutCritic(
            "a shared encoder is trained by the critic, and this agent has none; choose separate or frozen"
        )
    theirs = parts.pop("critic").params[ENCODER]
    followed = {
        name: part._replace(params={**part.params, ENCODER: _copied(part.params[ENCODER], theirs)})
        for name, part in parts.items()
    }
    return state._replace(**followed)


def _sparing_encoders(optimizer: optax.GradientTransformation) -> optax.GradientTransformation:
    """An optimizer whose state holds nothing of encoders."""

    def trained(params: Params) -> Any:
        return jax.tree_util.tree_map_with_path(lambda path, _: not _of_encoder(path), params)

    return optax.masked(optimizer, trained)


def train_encoder(
    make: Callable[..., Agent],
    networks: Networks,
    optimizers: Optimizers,
    how: str = SEPARATE,
    **arguments: Any,
) -> Agent:
    """The agent `make(networks, optimizers, **arguments)` whose encoders are trained in one of four ways.

    `separate`: each network trains its own. `shared`: the critic trains the convolutions, and the policy and
    a state value take a copy of them after every update, without a gradient (DrQ, arXiv 2004.13649, and
    RLPD); the projection behind the convolutions stays each network's own. `frozen`: no encoder changes;
    neither gradients nor moving averages touch it, and optimizers hold nothing of it. `cached`: the networks
    are those of features, which the environment makes (`envs.encoding`), so that no encoder is a part of the
    agent.

    Networks without an encoder, those of vectors, train as ever.

    Args:
      make: constructor of the agent, e.g. `agents.rankq`.
      networks: of the agent.
      optimizers: of the agent.
      how: `separate`, `shared`, `frozen` or `cached`.
      **arguments: of the constructor.

    Raises:
      ValueError: if `how` is none of these.
      SharedWithoutCritic: from `init`, if the encoder is shared by an agent without a critic.
    """
    refuse("how", how, OneOf(HOW))
    if how in (SEPARATE, CACHED):
        return make(networks, optimizers, **arguments)
    still = _common if how == SHARED else _of_encoder
    held = networks._replace(policy=_held(networks.policy, still), value=_held(networks.value, still))
    if how == FROZEN:
        held = held._replace(critic=_held(networks.critic, still))
        parts = {name: _sparing_encoders(getattr(optimizers, name)) for name in ("actor", "critic", "value")}
        optimizers = optimizers._replace(**parts)
    agent = make(held, optimizers, **arguments)

    def init(key: Key, example: Transition) -> Any:
        state = agent.init(key, example)
        return _follow_the_critic(state) if how == SHARED else state

    def update(state: Any, batch: Transition, key: Key) -> tuple[Any, Metrics]:
        new, metrics = agent.update(state, batch, key)
        if how == SHARED:
            return _follow_the_critic(new), metrics
        return _restored(state, new), metrics

    return agent._replace(init=init, update=update)


def _restored(state: Any, new: Any) -> Any:
    """`new` with all that belongs to encoders as it is in `state`."""
    return jax.tree_util.tree_map_with_path(
        lambda path, before, after: before if _of_encoder(path) else after, state, new
    )
