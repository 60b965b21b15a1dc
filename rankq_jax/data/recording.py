"""A source as it was recorded, and what its format could not say."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from rankq_jax.types import Episodes

SUCCESS_FLAGS = "infos/success"
TWO_REWARDS = "the higher one of two rewards"
TERMINALS = "the terminals"


class Origin(NamedTuple):
    """Where columns of a recording come from that its format need not have.

    Attributes:
      derived: whether next observations are the following rows, because the source stores none.
      unknown: `[T]` bool, terminals whose next observation is the following row, though that may be of
        another episode; None: there is no such row.
      success: where `Episodes.success` comes from: `SUCCESS_FLAGS`, `TWO_REWARDS` or `TERMINALS`.
      rewarded: whether the source holds rewards; they are 0 where it does not.
      world: what the source says of the world that it was recorded in, by name, see `Task.world`.
    """

    derived: bool = False
    unknown: np.ndarray | None = None
    success: str = TERMINALS
    rewarded: bool = True
    world: Mapping[str, Any] = MappingProxyType({})


class Recording(NamedTuple):
    """Episodes of one source and where their columns come from."""

    episodes: Episodes
    origin: Origin


def guessed(reward: np.ndarray, terminated: np.ndarray) -> tuple[np.ndarray, str]:
    """Success without flags of it: `[T]` bool, and where it comes from.

    A success is a step with the higher one of two rewards; a terminal where there are not just two.

    Args:
      reward: `[T]` raw.
      terminated: `[T]` bool.
    """
    low, high = reward.min(), reward.max()
    if low < high and ((reward == low) | (reward == high)).all():
        return reward == high, TWO_REWARDS
    return terminated.copy(), TERMINALS
