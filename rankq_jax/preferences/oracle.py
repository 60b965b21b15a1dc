"""Experts that say which of two actions is better."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

# (observation [B, *O], first action [B, A], second action [B, A]) -> [B] bool, whether the first is better.
# Nothing else is known about an expert: any function of this form will do.
Oracle = Callable[[Any, np.ndarray, np.ndarray], np.ndarray]


def by_value(value: Callable[[Any, jax.Array], jax.Array]) -> Oracle:
    """An expert that prefers the action of higher value (Eq. 2 of OAP); a tie goes to the first.

    Args:
      value: `(observation [B, *O], action [B, A]) -> [B]`, e.g. the critic of a trained agent.
    """
    compare = jax.jit(lambda observation, a, b: value(observation, a) >= value(observation, b))

    def oracle(observation: Any, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return np.asarray(compare(observation, first, second))

    return oracle
