"""Flat arrays to `Episodes`: the D4RL schema, which is that of a user's own arrays too."""

import functools
import warnings
from collections.abc import Mapping

import numpy as np

from rankq_jax.data.recording import SUCCESS_FLAGS, Origin, Recording, guessed
from rankq_jax.data.sources import columns, ends, observations, selection
from rankq_jax.data.sources.selection import Wanted
from rankq_jax.data.sources.stores import Store
from rankq_jax.environments import SIMULATOR_STATE
from rankq_jax.errors import InputError
from rankq_jax.types import Episodes

Arrays = Mapping[str, np.ndarray]

REQUIRED = ("observations", "actions", "rewards", "terminals")
_LIMIT = "metadata/max_episode_steps"
_KEYS = (
    *REQUIRED,
    "timeouts",
    "next_observations",
    "episode_id",
    "masks",
    "valids",
    SUCCESS_FLAGS,
    _LIMIT,
    *ends.NAMES,
)
_CHECKS = {
    "observations": columns.vectors,
    "actions": columns.vectors,
    "next_observations": columns.vectors,
    "rewards": columns.numbers,
    "terminals": columns.flags,
    "timeouts": columns.flags,
    SUCCESS_FLAGS: columns.flags,
    "episode_id": columns.numbers,
}


def fits(store: Store) -> bool:
    """True: what no other layout fits is of the D4RL schema, or damaged."""
    return True


def read(store: Store, wanted: Wanted) -> Recording:
    """The recording of a store of flat arrays: D4RL's, d3rlpy's of version 1, or a user's own.

    Raises:
      InputError: if the store is damaged or not of the schema; names the file, the key and an index.
    """
    states = [key for name in SIMULATOR_STATE for key in (name, f"infos/{name}")]
    kept = [*_KEYS, *(states if wanted.simulator_state else ())]
    if wanted.like is None:
        return recording(selection.read(store, kept, wanted), store.source, wanted.resolve)
    arrays = store.read(observations.keys_with(kept, wanted.like))
    read_rows = functools.partial(recording, resolve=wanted.resolve)
    return observations.recording(read_rows, arrays, store.source, wanted.like)


def from_arrays(arrays: Arrays, source: str, resolve: str | None = None) -> Episodes:
    """The episodes of `recording`; its arguments and errors."""
    return recording(arrays, source, resolve).episodes


def recording(arrays: Arrays, source: str, resolve: str | None = None) -> Recording:
    """Episodes of flat arrays with the conventions of d4rl's `qlearning_dataset`.

    An episode ends where a terminal or a timeout says so. Without `next_observations` a row is followed by
    the next one; rows at timeouts and the last row of the file are dropped then, because what followed
    them is not in the file, and the row before such a row becomes the truncated end of its episode.

    Without `timeouts` episodes end at terminals, and also after `metadata/max_episode_steps` steps, or, with
    `next_observations`, wherever the next observation is not the following row. `episode_id`, which needs
    `next_observations`, replaces all of these: an episode lasts as long as its number. Other names of
    these flags are read too (`ends.adopted`), and every further flag must agree (`ends.check`).

    Args:
      arrays: by key: `observations [N, o]`, `actions [N, a]`, `rewards [N]`, `terminals [N]`, and optionally
        `timeouts [N]`, `next_observations [N, o]`, `episode_id [N]`, `infos/success [N]`, and simulator
        states under their names or below `infos/`.
      source: what messages begin with.
      resolve: what a row with both a terminal and a timeout is, `terminal` or `timeout`.

    Raises:
      InputError: names the source, the key and the first bad index.

    Warns:
      UserWarning: if the file says nothing about time limits.
    """
    arrays = ends.adopted(arrays, source)
    data, infos = _checked(arrays, source)
    observation, reward, following = data["observations"], data["rewards"], data.get("next_observations")
    terminal, timeout = _resolved(source, data["terminals"], data.get("timeouts"), resolve)
    if timeout is None:
        timeout = _time_limits(source, arrays, terminal)
    last = terminal | timeout
    if "episode_id" in data:
        last = np.append(data["episode_id"][1:] != data["episode_id"][:-1], True)
    elif following is not None and "timeouts" not in data:
        last[:-1] |= ends.jumps(observation, following)
    ends.check(arrays, source, terminal, timeout, last)
    kept = np.ones(len(reward), bool) if following is not None else _followed(source, timeout)
    episode = np.concatenate([[0], np.cumsum(last[:-1])])[kept]
    starts = np.append(True, episode[1:] != episode[:-1])
    final = np.append(starts[1:], True)
    terminated, reward = terminal[kept], reward[kept]
    guess, guessed_from = guessed(reward, terminated)
    episodes = Episodes(
        observation=_rows(observation, kept),
        action=_rows(data["actions"], kept),
        reward=reward,
        next_observation=following if following is not None else _rows(observation[1:], kept[:-1]),
        terminated=terminated,
        truncated=timeout if "episode_id" in data else final & ~terminated,
        success=data[SUCCESS_FLAGS][kept] if SUCCESS_FLAGS in data else guess,
        episode=np.cumsum(starts) - 1,
        info={name: _rows(array, kept) for name, array in infos.items()},
    )
    unknown = terminated & ~np.append(timeout[1:], True)[kept] if following is None else None
    return Recording(
        episodes, Origin(following is None, unknown, SUCCESS_FLAGS if SUCCESS_FLAGS in data else guessed_from)
    )


def _followed(source: str, timeout: np.ndarray) -> np.ndarray:
    """`[N]` bool: rows that the following row can be the next observation of."""
    kept = ~timeout
    kept[-1] = False
    if not kept.any():
        raise columns.refusal(
            source, "timeouts", "leaves no transition from index 0 on", "store next_observations"
        )
    return kept


def _checked(arrays: Arrays, source: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The arrays that are steps, each of its type and all of one length, and the simulator states."""
    for key in REQUIRED:
        if key not in arrays:
            raise columns.refusal(source, key, "is missing", f"store {', '.join(REQUIRED)}")
    data = {key: check(source, key, arrays[key]) for key, check in _CHECKS.items() if key in arrays}
    infos = {
        name: columns.vectors(source, key, arrays[key])
        for name in SIMULATOR_STATE
        for key in (name, f"infos/{name}")
        if key in arrays
    }
    columns.check_lengths(
        source, {**data, **{f"infos/{key}": array for key, array in infos.items()}}, "rewards"
    )
    size, following = data["observations"].shape[1], data.get("next_observations")
    if following is not None and following.shape[1] != size:
        raise columns.refusal(
            source,
            "next_observations",
            f"has {following.shape[1]} numbers per step from index 0 on, 'observations' {size}",
            "repair it",
        )
    if (
        following is not None
        and np.array_equal(following, data["observations"])
        and (following != following[0]).any()
    ):
        raise columns.refusal(
            source,
            "next_observations",
            "is the same as 'observations' from index 0 on",
            "store what followed",
        )
    if "episode_id" in data and following is None:
        raise columns.refusal(source, "episode_id", "is of no use alone", "store next_observations too")
    return data, infos


def _resolved(
    source: str, terminal: np.ndarray, timeout: np.ndarray | None, resolve: str | None
) -> tuple[np.ndarray, np.ndarray | None]:
    if timeout is None:
        return terminal, None
    both = terminal & timeout
    if both.any() and resolve is None:
        raise InputError(
            f"{source}: fields 'terminals' and 'timeouts' are both set at index {int(np.argmax(both))}; "
            "convert it once and say which one holds (resolve='terminal' or 'timeout'), see docs/datasets.md."
        )
    return (terminal & ~both, timeout) if resolve == "timeout" else (terminal, timeout & ~both)


def _time_limits(source: str, arrays: Arrays, terminal: np.ndarray) -> np.ndarray:
    """`[N]` bool, timeouts of a file without any: every so many steps since the start or a terminal."""
    if _LIMIT in arrays:
        limit = arrays[_LIMIT]
        if limit.size != 1 or limit.dtype.kind not in "iuf" or not 1 <= limit.item() <= 2**31:
            raise columns.refusal(source, _LIMIT, "is no number of steps at index 0", "remove or repair it")
        row = np.arange(len(terminal))
        start = np.maximum.accumulate(np.where(np.append(True, terminal[:-1]), row, 0))
        return ((row - start) % int(limit.item()) == int(limit.item()) - 1) & ~terminal
    if "next_observations" not in arrays:
        warnings.warn(
            f"{source}: field 'timeouts' is missing, so episodes end at terminals alone; store timeouts, "
            f"next_observations or {_LIMIT} if there was a time limit.",
            stacklevel=3,
        )
    return np.zeros(len(terminal), bool)


def _rows(array: np.ndarray, kept: np.ndarray) -> np.ndarray:
    return array if kept.all() else array[kept]
