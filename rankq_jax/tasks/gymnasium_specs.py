"""What the spaces of a gymnasium environment are as specifications."""

import math
from typing import Any

import gymnasium
import jax
import numpy as np
from gymnasium import spaces

from rankq_jax.errors import InputError
from rankq_jax.specs import ActionSpec


def horizon_of(env: gymnasium.Env, asked: int | None, name: str) -> int:
    """The time limit of an environment in steps: its own, or the one that is asked for if that is shorter.

    Raises:
      InputError: if there is neither.
    """
    own = env.spec.max_episode_steps if env.spec is not None else None
    if own is None and env.has_wrapper_attr("_max_episode_steps"):
        own = env.get_wrapper_attr("_max_episode_steps")
    limits = [limit for limit in (asked, own) if limit is not None]
    if not limits:
        raise InputError(f"{name}: has no time limit of its own; give horizon, in steps.")
    return int(min(limits))


def action_spec(space: spaces.Space, name: str) -> ActionSpec:
    """The specification of actions, as vectors.

    Raises:
      InputError: if they are no numbers with limits.
    """
    kind = type(space).__name__
    if not isinstance(space, spaces.Box):
        discrete = isinstance(space, (spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary))
        what = "its actions are discrete" if discrete else "its actions are no vectors"
        raise InputError(f"{name}: {what} ({kind}); only actions of a Box are learned, numbers with limits.")
    if not np.issubdtype(space.dtype, np.floating):
        raise InputError(f"{name}: its actions are discrete (a Box of {space.dtype}); give a Box of float.")
    low, high = (np.asarray(limit, np.float64).ravel() for limit in (space.low, space.high))
    wrong = np.flatnonzero(~(np.isfinite(low) & np.isfinite(high) & (low < high)))
    if len(wrong):
        i = wrong[0]
        raise InputError(
            f"{name}: its actions are unbounded: number {i} has the limits {low[i]:g} and {high[i]:g}, and "
            "policies act between limits; give a function that wraps it in finite ones."
        )
    return ActionSpec((math.prod(space.shape),), low, high)


def observation_spec(space: spaces.Space, name: str, key: str = "") -> Any:
    """The specification of observations, nested like the space.

    Args:
      space: of the observations.
      name: of the task, for errors.
      key: of the part of a `Dict` that the space is.

    Raises:
      InputError: if the space is no `Box` and no `Dict` of them.
    """
    where = f"observation {key!r} is" if key else "its observations are"
    if isinstance(space, spaces.Box):
        return jax.ShapeDtypeStruct(space.shape, np.dtype(space.dtype))
    if isinstance(space, spaces.Dict):
        return {
            own: observation_spec(inner, name, f"{key}.{own}" if key else own) for own, inner in space.items()
        }
    if isinstance(space, spaces.Tuple):
        raise InputError(
            f"{name}: {where} a Tuple, whose parts have no names; give a function that wraps it in a Dict."
        )
    raise InputError(
        f"{name}: {where} {type(space).__name__}, no Box and no Dict of Boxes; give a function that wraps "
        "it, e.g. by gymnasium.wrappers.FlattenObservation."
    )
