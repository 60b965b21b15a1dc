"""The state of one agent as the start of another one's training."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax

from rankq_jax.agents.state import Trainable
from rankq_jax.lifting import Normalized
from rankq_jax.networks.encoded import ENCODER
from rankq_jax.networks.flows import NOISE
from rankq_jax.types import Agent

KEPT = ("step",)  # what counts the updates of the run itself


class Transferred(NamedTuple):
    """A state that begins with parts of another one.

    Attributes:
      state: of the new agent.
      copied: names of the parts that come from the other state.
      initialized: names of the parts that were initialized.
    """

    state: Any
    copied: tuple[str, ...]
    initialized: tuple[str, ...]


def transfer(agent: Agent, new: Any, old: Any, policy_only: bool = False, acting: Any = None) -> Transferred:
    """Copies what two states both have, by name: parameters, targets, dual variables, optimizers.

    A part is copied whole or not at all: a critic with another number of members is initialized. Counts of
    updates start at 0. From an agent of another kind that acts with an average of its parameters only that
    average is taken, see `begin`.

    Args:
      agent: the agent that goes on.
      new: its first state.
      old: a state of the same agent or of another one, with the same leading axes.
      policy_only: whether the parameters that `Agent.params` returns, and their targets, are all that is
        copied; optimizers are then initialized too.
      acting: the parameters that the other agent acts with; None: those of its actor.

    Raises:
      ValueError: if only one of the states normalizes observations, or the two have nothing in common.
    """
    if isinstance(new, Normalized) != isinstance(old, Normalized):
        which = "the other" if isinstance(old, Normalized) else "this"
        raise ValueError(f"only {which} run normalizes observations; let both or neither do so")
    if isinstance(new, Normalized):
        own = None if acting is None else acting.inner
        found = transfer(_inner(agent, new), new.inner, old.inner, policy_only, own)
        return found._replace(state=old._replace(inner=found.state))
    if acting is not None and type(old) is not type(new) and _averages(old, acting):
        return begin(agent, new, acting)
    needed = _leaves(agent.params(new))
    fields, parts, copied, initialized = old._asdict(), {}, list[str](), list[str]()
    for name, part in new._asdict().items():
        source, wanted = fields.get(name), not policy_only or _acts(name, new, needed)
        if name in KEPT or source is None or not wanted:
            parts[name] = part
            initialized += [] if name in KEPT else [name]
        else:
            parts[name] = _taken(part, source, name, policy_only, copied, initialized)
    if not copied:
        raise ValueError(f"a {type(old).__name__} and a {type(new).__name__} have no part in common")
    return Transferred(type(new)(**parts), tuple(copied), tuple(initialized))


def begin(agent: Agent, new: Any, params: Any) -> Transferred:
    """Puts parameters of a policy wherever a state holds their like: what is trained, averages and targets.

    Optimizers and all else stay as they are, and so does a noise head that the parameters do not have.

    Args:
      agent: the agent that goes on.
      new: its first state.
      params: what `Agent.params` returns, of another state, with the same leading axes.

    Raises:
      ValueError: if nothing of the state is like the parameters.
    """
    if isinstance(new, Normalized):
        found = begin(_inner(agent, new), new.inner, params.inner)
        return found._replace(state=params._replace(inner=found.state))
    parts, copied, initialized = {}, list[str](), list[str]()
    for name, part in new._asdict().items():
        own = part.params if isinstance(part, Trainable) else part
        given = _with_noise(params, own)
        if _alike(own, given):
            copied.append(name)
            initialized += [] if given is params else [f"{name}'s noise"]
            initialized += [f"{name}'s optimizer"] if isinstance(part, Trainable) else []
            part = part._replace(params=given) if isinstance(part, Trainable) else given
        elif name not in KEPT:
            initialized.append(name)
        parts[name] = part
    if not copied:
        raise ValueError(f"a {type(new).__name__} holds no parameters like those of the policy")
    return Transferred(type(new)(**parts), tuple(copied), tuple(initialized))


def see_through_policy(agent: Agent, found: Transferred) -> Transferred:
    """A state whose initialized parts have the encoder of the policy, for encoders that are not trained.

    A critic of its own random encoder would see nothing of what the policy's has learned.

    Args:
      agent: the agent that goes on.
      found: from `transfer` or `begin`.
    """
    if isinstance(found.state, Normalized):
        inner = see_through_policy(_inner(agent, found.state), found._replace(state=found.state.inner))
        return inner._replace(state=found.state._replace(inner=inner.state))
    seen, parts = agent.params(found.state).get(ENCODER), dict[str, Any]()
    for name in found.initialized:
        part = getattr(found.state, name, None)
        own = part.params if isinstance(part, Trainable) else part
        if isinstance(own, Mapping) and ENCODER in own and _alike(own[ENCODER], seen):
            own = {**own, ENCODER: seen}
            parts[name] = part._replace(params=own) if isinstance(part, Trainable) else own
    copied = (*found.copied, *(f"{name}'s encoder" for name in parts))
    return found._replace(state=found.state._replace(**parts), copied=copied)


def without_noise(params: Any) -> Any:
    """Parameters of a policy without those of a noise head."""
    if isinstance(params, Normalized):
        return params._replace(inner=without_noise(params.inner))
    return {name: part for name, part in params.items() if name != NOISE} if NOISE in params else params


def _with_noise(params: Any, own: Any) -> Any:
    """`params`, with the noise head of `own` where only that has one."""
    both = isinstance(params, Mapping) and isinstance(own, Mapping)
    return {**params, NOISE: own[NOISE]} if both and NOISE in own and NOISE not in params else params


def _inner(agent: Agent, state: Normalized) -> Agent:
    """The agent whose states are what `state` wraps."""
    return agent._replace(params=lambda inner: agent.params(state._replace(inner=inner)).inner)


def _averages(state: Any, acting: Any) -> bool:
    """Whether an agent acts with other parameters than those that it trains."""
    actor = getattr(state, "actor", None)
    return isinstance(actor, Trainable) and not _leaves(acting) <= _leaves(actor.params)


def _leaves(tree: Any) -> set[int]:
    return {id(leaf) for leaf in jax.tree.leaves(tree)}


def _acts(name: str, state: Any, needed: set[int]) -> bool:
    """Whether a field holds parameters that acting needs, or their target."""
    part = getattr(state, name.removeprefix("target_"), None)
    return any(id(leaf) in needed for leaf in jax.tree.leaves(part))


def _taken(
    new: Any, old: Any, name: str, policy_only: bool, copied: list[str], initialized: list[str]
) -> Any:
    """`old` where it has the shapes of `new`; of a `Trainable` or a dictionary part by part."""
    if isinstance(new, Trainable) and isinstance(old, Trainable):
        params = _taken(new.params, old.params, name, policy_only, copied, initialized)
        fits = params is old.params and _alike(new.opt_state, old.opt_state) and not policy_only
        if params is old.params and not fits:
            initialized.append(f"{name}'s optimizer")
        return Trainable(params, old.opt_state if fits else new.opt_state)
    duals = isinstance(new, dict) and all(isinstance(part, Trainable) for part in new.values())
    if duals and isinstance(old, dict):
        return {
            key: _taken(part, old.get(key), f"{name}.{key}", policy_only, copied, initialized)
            for key, part in new.items()
        }
    fits = _alike(new, old)
    (copied if fits else initialized).append(name)
    return old if fits else new


def _alike(one: Any, other: Any) -> bool:
    """Whether two pytrees have the same structure, shapes and types."""
    kinds = [jax.tree.map(lambda leaf: (leaf.shape, str(leaf.dtype)), tree) for tree in (one, other)]
    return bool(kinds[0] == kinds[1])
