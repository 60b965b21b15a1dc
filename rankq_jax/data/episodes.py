"""Operations on `Episodes`: joining, cutting, relabelling. Nothing here changes a recorded number."""

from collections.abc import Callable, Sequence

import jax
import numpy as np

from rankq_jax.types import Episodes


def concatenate(parts: Sequence[Episodes]) -> Episodes:
    """One `Episodes` from several, episode ids renumbered from 0 in the order given.

    Raises:
      ValueError: if `parts` is empty.
    """
    if not parts:
        raise ValueError("nothing to concatenate")
    joined = jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
    new = np.concatenate([np.array([True]), last_rows(joined, parts)[:-1]])
    return joined._replace(episode=np.cumsum(new) - 1)


def last_rows(joined: Episodes, parts: Sequence[Episodes] = ()) -> np.ndarray:
    """`[T]` bool: whether a row is the last of its episode, also where `parts` were joined."""
    last = np.append(joined.episode[1:] != joined.episode[:-1], True)
    ends = np.cumsum([len(part.reward) for part in parts], dtype=np.int64) - 1
    last[ends[ends >= 0]] = True
    return last


def relabel(episodes: Episodes, success: Callable[[np.ndarray], np.ndarray], reward: float = 1.0) -> Episodes:
    """The same behaviour judged by another task: success, reward and termination from the next observation.

    Args:
      episodes: any.
      success: `next_observation [T, *O] -> [T]` bool.
      reward: raw reward of a success; every other step has 0.

    Returns:
      Episodes that terminate at each success. An episode goes on after one: see `cut_at_success`.
    """
    reached = success(episodes.next_observation)
    return episodes._replace(
        reward=np.where(reached, reward, 0.0),
        success=reached,
        terminated=reached,
        truncated=episodes.truncated & ~reached,
    )


def cut_at_success(episodes: Episodes, success: Callable[[np.ndarray], np.ndarray]) -> Episodes:
    """Episodes that end at their first success, as an environment that terminates there would record them.

    What follows a success inside a recorded episode becomes an episode of its own. Rows that start
    in a success state are dropped: a terminating environment never visits them as a start.

    Args:
      episodes: relabelled by the same `success`.
      success: `observation [T, *O] -> [T]` bool.
    """
    last = last_rows(episodes)
    starts_in_success = success(episodes.observation)
    keep = ~starts_in_success
    boundary = np.concatenate([[True], last[:-1]]) | starts_in_success
    segment = np.cumsum(boundary) - 1
    kept = jax.tree.map(lambda leaf: leaf[keep], episodes._replace(episode=segment))
    ids = np.unique(kept.episode, return_inverse=True)[1] if len(kept.episode) else kept.episode
    return kept._replace(episode=ids)


def success_of_episode(episodes: Episodes) -> np.ndarray:
    """`[T]` bool: whether the episode that a row belongs to succeeds at any step."""
    _, index = np.unique(episodes.episode, return_inverse=True)
    return np.bincount(index, weights=episodes.success)[index] > 0
