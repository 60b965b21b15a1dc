"""Actions beyond the limits, clipped as Minari, Cal-QL and RLPD do when they load data."""

import numpy as np

from rankq_jax.types import Episodes

LIMIT = 1.0  # of every number of an action, in both directions


def beyond(action: np.ndarray, tolerance: float = 0.0) -> np.ndarray:
    """`[N]` bool: rows of actions `[N, a]` with a finite number outside of the limits by more than this."""
    return ((np.abs(action) > LIMIT + tolerance) & np.isfinite(action)).any(axis=1)


def clipped(episodes: Episodes) -> tuple[Episodes, int]:
    """Episodes with actions within the limits, and how many rows were changed.

    Numbers that are infinite or not a number stay, because they are damage and no action.
    """
    rows = beyond(episodes.action)
    if not rows.any():
        return episodes, 0
    action = episodes.action.copy()
    part = action[rows]
    action[rows] = np.where(np.isfinite(part), np.clip(part, -LIMIT, LIMIT), part)
    return episodes._replace(action=action), int(rows.sum())
