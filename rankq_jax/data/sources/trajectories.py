"""Pickled trajectories to `Episodes`: the Adroit demonstrations with a binary reward."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rankq_jax.data.episodes import concatenate
from rankq_jax.data.recording import guessed
from rankq_jax.data.sources import columns
from rankq_jax.data.sources.pickled import load_pickle, plain
from rankq_jax.errors import InputError
from rankq_jax.types import Episodes


def load_trajectories(path: Path) -> Episodes:
    """All trajectories of a pickled list of them, raw.

    A trajectory is a dictionary with `actions [T, a]`, `rewards` (`[T]`, `[T, 1]` or with one entry too
    many), optionally `terminals` (`[T]` or `[T, 1]`), and with `observations` and `next_observations`, each
    `[T, o]` or a list of T dictionaries with `state_observation`. Without `next_observations` the last step
    is dropped, because where it led is not in the file. Other entries are ignored.

    Args:
      path: of a `.npy` file of objects, or of a plain pickle.

    Returns:
      An episode for each trajectory, truncated at its end unless that is a terminal.

    Raises:
      InputError: if the file is damaged, holds something else, or names code; nothing in it is run.
    """
    found = load_pickle(path)
    if not isinstance(found, list) or not found:
        raise InputError(f"{path}: field 'data' holds no list of trajectories, not even at index 0.")
    parts = [_trajectory(f"{path}: episode {i}", each) for i, each in enumerate(found)]
    for i, part in enumerate(parts):
        for field in ("observation", "action"):
            size, first = getattr(part, field).shape[1], getattr(parts[0], field).shape[1]
            if size != first:
                raise InputError(
                    f"{path}: episode {i}: field '{field}s' has {size} numbers per step from index 0 on, "
                    f"episode 0 has {first}; drop that episode."
                )
    joined = concatenate(parts)
    return joined._replace(success=guessed(joined.reward, joined.terminated)[0])


def _trajectory(where: str, found: Any) -> Episodes:
    if not isinstance(found, Mapping):
        raise InputError(f"{where}: is a {type(found).__name__}, a dictionary of arrays is needed.")
    for key in ("observations", "actions", "rewards"):
        if key not in found:
            raise columns.refusal(where, key, "is missing", "drop that episode")
    action = columns.vectors(where, "actions", _numbers(where, "actions", found["actions"]))
    steps = len(action)
    reward = columns.numbers(where, "rewards", _numbers(where, "rewards", found["rewards"]))
    data = {
        "actions": action,
        "rewards": reward[:-1] if len(reward) == steps + 1 else reward,  # the expert files' surplus entry
        "observations": _observations(where, "observations", found["observations"]),
        "terminals": np.zeros(steps, bool),
    }
    if "terminals" in found:
        terminals = _numbers(where, "terminals", found["terminals"])
        data["terminals"] = columns.flags(where, "terminals", terminals)
    if "next_observations" in found:
        data["next_observations"] = _observations(where, "next_observations", found["next_observations"])
    columns.check_lengths(where, data, "actions")
    if "next_observations" not in found:
        data["next_observations"] = data["observations"][1:]
        data = {key: array[: steps - 1] for key, array in data.items()}
        columns.check_lengths(where, data, "actions")
    if data["next_observations"].shape != data["observations"].shape:
        raise columns.refusal(
            where, "next_observations", "has other numbers per step from index 0 on", "drop that episode"
        )
    terminated = data["terminals"]
    return Episodes(
        observation=data["observations"],
        action=data["actions"],
        reward=data["rewards"],
        next_observation=data["next_observations"],
        terminated=terminated,
        truncated=(np.arange(len(terminated)) == len(terminated) - 1) & ~terminated,
        success=np.zeros(len(terminated), bool),
        episode=np.zeros(len(terminated), np.int64),
        info={},
    )


def _observations(where: str, key: str, found: Any) -> np.ndarray:
    found = plain(found)
    if isinstance(found, list) and found and isinstance(found[0], Mapping):
        rows = []
        for step, row in enumerate(found):
            if not isinstance(row, Mapping) or "state_observation" not in row:
                raise columns.refusal(
                    where, key, f"has no 'state_observation' at index {step}", "drop that episode"
                )
            rows.append(plain(row["state_observation"]))
        found = rows
    return columns.vectors(where, key, _numbers(where, key, found))


def _numbers(where: str, key: str, found: Any) -> np.ndarray:
    """An array, or a list of arrays and numbers, as one array of numbers."""
    found = plain(found)
    rows = [plain(row) for row in found] if isinstance(found, list) else found
    try:
        array = np.asarray(rows)
    except ValueError as error:
        raise columns.refusal(where, key, "has rows of different lengths", "drop that episode") from error
    if array.dtype.kind not in "biuf":
        raise columns.refusal(
            where, key, f"has dtype {array.dtype} from index 0 on, numbers are needed", "drop that episode"
        )
    return array
