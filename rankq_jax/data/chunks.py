"""Chunks of actions: each recorded step with those that follow it, which policies of chunks imitate."""

from collections.abc import Sequence

import jax
import numpy as np

from rankq_jax.bounds import Count, checked
from rankq_jax.types import WAYPOINT, Episodes


def _lasts(episode: np.ndarray) -> np.ndarray:
    """`[T] -> [T]`: the last row of each row's episode."""
    lasts = np.append(np.flatnonzero(episode[1:] != episode[:-1]), len(episode) - 1)
    found: np.ndarray = lasts[np.searchsorted(lasts, np.arange(len(episode)))]
    return found


@checked()
def action_chunks(
    action: np.ndarray, episode: np.ndarray, chunk: Count, held: Sequence[int] = ()
) -> np.ndarray:
    """`[T, A], [T] -> [T, chunk * A]`: each row's action and the next ones of its episode, one after another.

    Beyond the end of the episode the arm holds still: the numbers of an action are 0, and those that are
    `held` keep their last value. That is what a displacement and the opening of a gripper need.

    Args:
      action: one action for each control step, episodes one after another.
      episode: which episode a step belongs to.
      chunk: actions of a chunk.
      held: columns of an action that keep their last value.

    Raises:
      ValueError: if `chunk` is below 1, the arrays do not fit each other, or there is no such column.
    """
    if action.ndim != 2 or episode.shape != action.shape[:1]:
        raise ValueError(
            f"action {list(action.shape)} and episode {list(episode.shape)} must be [T, A] and [T]"
        )
    size = action.shape[1]
    for column in held:
        if not 0 <= column < size:
            raise ValueError(f"held={tuple(held)} has the column {column}, and an action has 0 to {size - 1}")
    rows = np.arange(len(action))
    last = _lasts(episode)
    chunks = np.zeros((len(action), chunk, size), action.dtype)
    moving = np.setdiff1d(np.arange(size), held)
    for k in range(chunk):
        step = action[np.minimum(rows + k, last)]
        step[np.ix_(rows + k > last, moving)] = 0.0
        chunks[:, k] = step
    return chunks.reshape(len(action), chunk * size)


def _begins(episode: np.ndarray, chunk: int, every: int) -> np.ndarray:
    """`[T] -> [R]`: the rows that begin a chunk, see `chunked`."""
    first = np.append(0, np.flatnonzero(episode[1:] != episode[:-1]) + 1)
    number = np.searchsorted(first, np.arange(len(episode)), side="right") - 1
    step = np.arange(len(episode)) - first[number]
    chosen = (step < chunk) | ((step - chunk) % every == number % every)
    chosen[_lasts(episode)] = True
    found: np.ndarray = np.flatnonzero(chosen)
    return found


def _turns(action: np.ndarray, episode: np.ndarray, held: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """`[T, A], [T] -> [T], [T]`: the next row with other held numbers, and whether its episode has one.

    Where it has none, the last row of the episode is found.
    """
    rows, lasts = np.arange(len(action)), _lasts(episode)
    held_now = action[:, list(held)]
    begins = np.append(False, np.any(held_now[1:] != held_now[:-1], axis=1) & (episode[1:] == episode[:-1]))
    turns = np.flatnonzero(begins)
    following = np.append(turns, len(action))[np.searchsorted(turns, rows, side="right")]
    return np.minimum(following, lasts), following <= lasts


def waypoints(episodes: Episodes, held: Sequence[int], name: str) -> np.ndarray:
    """`[T, p]`: the array `name` of the observation at the next row with other `held` numbers.

    For an arm that is where its gripper will close or open next: where the row's approach leads. An episode
    in which nothing held changes any more leads to its last observation.

    Args:
      episodes: of control steps.
      held: columns of an action.
      name: of an array of the observations, which are dictionaries.
    """
    turn, there = _turns(episodes.action, episodes.episode, held)
    now, after = episodes.observation[name], episodes.next_observation[name]
    found: np.ndarray = np.where(there[:, None], now[turn], after[turn])
    return found


def chunked(
    episodes: Episodes, chunk: int, held: Sequence[int] = (), every: int = 1, waypoint: str = ""
) -> Episodes:
    """Episodes of control steps as rows whose actions are chunks, see `action_chunks`.

    Chunks begin at the first `chunk` steps of an episode, and then at every `every`-th one, another one in
    the next episode, and at the last one. At first the arm does not tell yet where it goes, so that an
    imitator must look and read; of rows in which it tells, few are as good as all.

    A row leads to where its chunk ends: next observation, reward, success and terminal are those of the last
    control step of the chunk. The rows of an episode overlap, so their rewards do not add up to a return.
    With the name of an array of the observations, `info` has its `waypoints`.

    Raises:
      ValueError: as `action_chunks`, or if `every` is below 1.
    """
    if every < 1:
        raise ValueError(f"every={every} must be at least 1")
    action = action_chunks(episodes.action, episodes.episode, chunk, held)
    if not len(action):
        return episodes._replace(action=action)
    info = {WAYPOINT: waypoints(episodes, held, waypoint)} if waypoint else {}
    begins = _begins(episodes.episode, chunk, every)
    ends = np.minimum(begins + chunk - 1, _lasts(episodes.episode)[begins])
    whole = episodes._replace(action=action, next_observation=None, info={**episodes.info, **info})
    found = jax.tree.map(lambda leaf: leaf[begins], whole)
    return found._replace(
        reward=episodes.reward[ends],
        next_observation=jax.tree.map(lambda leaf: leaf[ends], episodes.next_observation),
        terminated=episodes.terminated[ends],
        success=episodes.success[ends],
    )
