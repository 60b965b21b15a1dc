"""Numbers that describe a dataset: lengths, returns, quality and coverage."""

from typing import NamedTuple

import numpy as np

from rankq_jax.data.episodes import last_rows
from rankq_jax.envs.maze_map import MazeMap, free_cells
from rankq_jax.specs import entries, is_image
from rankq_jax.types import Episodes

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no digit of a row is lost by it


def returns(episodes: Episodes) -> np.ndarray:
    """`[episodes]` float64: sums of raw rewards, not discounted."""
    return np.bincount(_index(episodes), weights=episodes.reward)


def successes(episodes: Episodes) -> np.ndarray:
    """`[episodes]` bool: whether any step of an episode is a success."""
    return np.bincount(_index(episodes), weights=episodes.success) > 0


def _index(episodes: Episodes) -> np.ndarray:
    return np.cumsum(np.append(0, last_rows(episodes)[:-1]))[: len(episodes.episode)]


def strips(episodes: Episodes, most: int) -> dict[int, np.ndarray]:
    """`{index: [3, H, W, C]}`: the first, the middle and the last image of episodes.

    Args:
      episodes: any; there is nothing where their observations have no image.
      most: episodes at most, evenly spread from the first to the last one.
    """
    before, after = entries(episodes.observation), entries(episodes.next_observation)
    name = next((name for name, leaf in before.items() if len(leaf) and is_image(leaf[0])), None)
    if name is None:
        return {}
    last = np.flatnonzero(last_rows(episodes))
    first = np.append(0, last[:-1] + 1)
    shown = np.unique(np.linspace(0, len(last) - 1, most).round().astype(int))
    middle = (first + last + 1) // 2
    return {
        int(i): np.stack([before[name][first[i]], before[name][middle[i]], after[name][last[i]]])
        for i in shown
    }


def saturated(action: np.ndarray, limit: float) -> np.ndarray:
    """`[T, A] -> [A]`: share of the steps at which a dimension exceeds `limit` in magnitude."""
    return np.count_nonzero((action > limit) | (action < -limit), axis=0) / max(len(action), 1)


def trajectory_quality(mean_return: float, minimal: float, best: float) -> float:
    """TQ (arXiv 2111.04714): where the mean return lies between a minimal policy's, 0, and the best one's, 1.

    In the paper the minimal policy is a random one and the best was trained online. The paper writes returns
    discounted, its published code sums them without; the caller chooses by what it gives. Not cut to [0, 1].

    Raises:
      ValueError: if `best` is not above `minimal`.
    """
    if not best > minimal:
        raise ValueError(f"the best return, {best}, must exceed the minimal one, {minimal}")
    return (mean_return - minimal) / (best - minimal)


class Bins(NamedTuple):
    """How continuous state-action pairs are told apart: by equal bins in each dimension.

    Attributes:
      low: `[O]` smallest observation.
      high: `[O]` largest observation. What lies beyond either belongs to the outermost bin.
      per_dimension: bins, of the observation and of the action, whose range is [-1, 1].
    """

    low: np.ndarray
    high: np.ndarray
    per_dimension: int


def bins_of(observation: np.ndarray, per_dimension: int) -> Bins:
    """Bins over the range of `observation [T, O]`."""
    return Bins(observation.min(axis=0), observation.max(axis=0), per_dimension)


def distinct_pairs(observation: np.ndarray, action: np.ndarray, bins: Bins) -> int:
    """Unique state-action pairs, the `u_{s,a}` of SACo (arXiv 2111.04714).

    SACo is this number over that of a reference dataset with the same bins; the paper's reference is what an
    agent recorded while it learned online. Rows are told apart by a 64-bit hash of their bins, which takes
    two of a million rows for one with a probability below 1e-7; the published code estimates the number
    (HyperLogLog) and cuts each dimension at 100 points. `observation` is `[T, O]`, `action` `[T, A]` in
    [-1, 1].
    """
    code = np.zeros(len(observation), np.uint64)
    sides = (
        (observation, bins.low, bins.high),
        (action, *np.array([[-1.0], [1.0]]).repeat(action.shape[1], 1)),
    )
    for values, low, high in sides:
        for column, least, most in zip(values.T, low, high, strict=True):
            scale = bins.per_dimension / (most - least) if most > least else 0.0
            digit = np.clip((column - least) * scale, 0, bins.per_dimension - 1).astype(np.uint64)
            code = code * _MULTIPLIER + digit
    return len(np.unique(code))


def visited_cells(maze: MazeMap, position: np.ndarray) -> tuple[int, int]:
    """How many free cells any of `position [T, 2]` lies in, and how many there are."""
    half, cells = maze.cell_size / 2, free_cells(maze)
    x, y = np.ascontiguousarray(position[:, 0]), np.ascontiguousarray(position[:, 1])
    visited = sum(bool(((np.abs(x - cx) <= half) & (np.abs(y - cy) <= half)).any()) for cx, cy in cells)
    return visited, len(cells)
