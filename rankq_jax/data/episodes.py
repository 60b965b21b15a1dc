"""Operations on `Episodes`: joining, cutting, relabeling. Nothing here changes a recorded number."""

from collections.abc import Callable, Sequence

import jax
import numpy as np

from rankq_jax.environments import Snapshot
from rankq_jax.errors import InputError
from rankq_jax.types import Episodes


def concatenate(parts: Sequence[Episodes]) -> Episodes:
    """One `Episodes` from several, episode ids renumbered from 0 in the order given.

    Of `info` the arrays that every part has are kept. One part alone is not copied.

    Raises:
      ValueError: if `parts` is empty.
    """
    if not parts:
        raise ValueError("nothing to concatenate")
    names = set.intersection(*(set(part.info) for part in parts))
    alike = [part._replace(info={name: part.info[name] for name in sorted(names)}) for part in parts]
    joined = jax.tree.map(lambda *leaves: np.concatenate(leaves), *alike) if len(parts) > 1 else alike[0]
    new = np.concatenate([np.array([True]), last_rows(joined, parts)[:-1]])
    return joined._replace(episode=np.cumsum(new[: len(joined.episode)]) - 1)


def last_rows(joined: Episodes, parts: Sequence[Episodes] = ()) -> np.ndarray:
    """`[T]` bool: whether a row is the last of its episode, also where `parts` were joined."""
    last = np.append(joined.episode[1:] != joined.episode[:-1], True)[: len(joined.episode)]
    ends = np.cumsum([len(part.reward) for part in parts], dtype=np.int64) - 1
    last[ends[ends >= 0]] = True
    return last


def lengths(episodes: Episodes) -> np.ndarray:
    """`[episodes]` int: steps of each."""
    return np.diff(np.flatnonzero(last_rows(episodes)), prepend=-1)


def relabel(
    episodes: Episodes,
    success: Callable[[np.ndarray], np.ndarray],
    reward: tuple[float, float] = (0.0, 1.0),
) -> Episodes:
    """The same behaviour judged by another task: success, reward and termination from the next observation.

    Args:
      episodes: any.
      success: `next_observation [T, *O] -> [T]` bool.
      reward: raw reward of a failing step, and of a success.

    Returns:
      Episodes that terminate at each success. An episode goes on after one: see `cut_at_success`.
    """
    reached = success(episodes.next_observation)
    failing, succeeding = reward
    return episodes._replace(
        reward=np.where(reached, succeeding, failing),
        success=reached,
        terminated=reached,
        truncated=episodes.truncated & ~reached,
    )


def cut_at_success(episodes: Episodes, success: Callable[[np.ndarray], np.ndarray]) -> Episodes:
    """Episodes that end at their first success, as an environment that terminates there would record them.

    What follows a success inside a recorded episode becomes an episode of its own. Rows that start
    in a success state are dropped: a terminating environment never visits them as a start.

    Args:
      episodes: relabeled by the same `success`.
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


def snapshots(episodes: Episodes, rows: np.ndarray, shift: np.ndarray | None = None) -> Snapshot:
    """Where the simulator was before the steps `rows`, for `BatchEnv.place`.

    Args:
      episodes: loaded with the state of the simulator.
      rows: `[m]` int.
      shift: `[2]` metres to take off recorded x and y, where `qpos` has another origin than the simulator.
        Own datasets hold the simulator's; D4RL's and OGBench's AntMaze files need `envs.ant_maze.shift`.

    Returns:
      Leaves `[m, ...]`. Where a dataset has no `qacc_warmstart` the solver starts from 0, and the future
      equals the recorded one up to its last digits. Where it has no `goal`, goals are `[m, 0]`, as of a task
      without one.

    Raises:
      InputError: if the dataset holds no positions or velocities.
    """
    for name in ("qpos", "qvel"):
        if name not in episodes.info:
            raise InputError(
                f"field 'infos/{name}' is missing from index 0 on; choose a dataset that has it."
            )
    start = np.append(True, last_rows(episodes)[:-1])
    first = np.maximum.accumulate(np.where(start, np.arange(len(start)), 0))
    qpos = episodes.info["qpos"][rows].astype(np.float64)
    if shift is not None:
        qpos[:, :2] -= shift
    return Snapshot(
        qpos=qpos,
        qvel=episodes.info["qvel"][rows],
        qacc_warmstart=episodes.info.get("qacc_warmstart", np.zeros_like(episodes.info["qvel"]))[rows],
        goal=episodes.info.get("goal", np.zeros((len(start), 0)))[rows],
        step=(rows - first[rows]).astype(np.int32),
    )
