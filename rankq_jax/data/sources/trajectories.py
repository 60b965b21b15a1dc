"""Pickled trajectories to `Episodes`: the Adroit demonstrations with a binary reward."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rankq_jax.data.episodes import concatenate
from rankq_jax.data.recording import Origin, Recording, guessed
from rankq_jax.data.sources import columns, pickled
from rankq_jax.data.sources.limits import Budget
from rankq_jax.data.sources.pickled import plain
from rankq_jax.data.sources.selection import Wanted
from rankq_jax.errors import InputError
from rankq_jax.types import Episodes

SUFFIXES = (".npy", ".pickle", ".pkl")  # that such files usually have
_EPISODE = 4_000  # bytes, about, of the arrays of an episode beside their content
_NUMBERS = (int, float, np.number, np.bool_)
_ROW = 64  # bytes, about, that an entry of a list takes


def is_pickled(path: Path) -> bool:
    """Whether a file begins as a pickle or as an npy file does; old pickles are known by their suffix too."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(6)
    recent = start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")
    return recent or start == b"\x93NUMPY" or path.suffix in SUFFIXES


def read(path: Path, wanted: Wanted) -> Recording:
    """The recording of a pickled list of trajectories; what is wanted of it makes no difference.

    Raises:
      InputError: as `load_trajectories`, and if observations are named.
    """
    if wanted.keys:
        raise columns.refusal(str(path), "observations", "has no named entries", "leave keys out")
    return _read(path)


def load_trajectories(path: Path) -> Episodes:
    """The episodes of `_read`; its arguments and errors."""
    return _read(path).episodes


def _read(path: Path) -> Recording:
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
    budget = pickled.of_file(path)
    found = pickled.load_pickle(path, budget)
    if not isinstance(found, list) or not found:
        raise InputError(f"{path}: field 'data' holds no list of trajectories, not even at index 0.")
    parts = [_trajectory(f"{path}: episode {i}", each, budget) for i, each in enumerate(found)]
    for i, part in enumerate(parts):
        for field in ("observation", "action"):
            size, first = getattr(part, field).shape[1], getattr(parts[0], field).shape[1]
            if size != first:
                raise InputError(
                    f"{path}: episode {i}: field '{field}s' has {size} numbers per step from index 0 on, "
                    f"episode 0 has {first}; drop that episode."
                )
    joined = concatenate(parts)
    success, origin = guessed(joined.reward, joined.terminated)
    derived = not any("next_observations" in each for each in found)
    return Recording(joined._replace(success=success), Origin(derived=derived, success=origin))


def _trajectory(where: str, found: Any, budget: Budget) -> Episodes:
    if not isinstance(found, Mapping):
        raise InputError(f"{where}: is a {type(found).__name__}, a dictionary of arrays is needed.")
    for key in ("observations", "actions", "rewards"):
        if key not in found:
            raise columns.refusal(where, key, "is missing", "drop that episode")
    budget.spend("data", _EPISODE)
    action = columns.vectors(where, "actions", _numbers(where, "actions", found["actions"], budget))
    steps = len(action)
    reward = columns.numbers(where, "rewards", _numbers(where, "rewards", found["rewards"], budget))
    data = {
        "actions": action,
        "rewards": reward[:-1] if len(reward) == steps + 1 else reward,  # the expert files' surplus entry
        "observations": _observations(where, "observations", found["observations"], budget),
        "terminals": np.zeros(steps, bool),
    }
    if "terminals" in found:
        terminals = _numbers(where, "terminals", found["terminals"], budget)
        data["terminals"] = columns.flags(where, "terminals", terminals)
    if "next_observations" in found:
        data["next_observations"] = _observations(
            where, "next_observations", found["next_observations"], budget
        )
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


def _observations(where: str, key: str, found: Any, budget: Budget) -> np.ndarray:
    found = plain(found)
    if isinstance(found, list) and found and isinstance(found[0], Mapping):
        budget.spend(key, _ROW * len(found))
        rows = []
        for step, row in enumerate(found):
            if not isinstance(row, Mapping) or "state_observation" not in row:
                raise columns.refusal(
                    where, key, f"has no 'state_observation' at index {step}", "drop that episode"
                )
            rows.append(plain(row["state_observation"]))
        found = rows
    return columns.vectors(where, key, _numbers(where, key, found, budget))


def _numbers(where: str, key: str, found: Any, budget: Budget) -> np.ndarray:
    """An array, or a list of arrays and numbers, as one array of numbers.

    What is in the list is counted before it is copied, because the file may name one thing many times.
    """
    found = plain(found)
    if isinstance(found, list):
        budget.spend(key, _ROW * len(found))
        rows = [plain(row) for row in found]
        budget.spend(key, sum(_size(row) for row in rows))
        for index, row in enumerate(rows):
            kind = row.dtype.type if isinstance(row, np.ndarray) else type(row)
            kinds = set(map(type, row)) if isinstance(row, list) else {kind}
            wrong = [each.__name__ for each in kinds if not issubclass(each, _NUMBERS)]
            if wrong:
                raise columns.refusal(
                    where,
                    key,
                    f"has dtype {min(wrong)} from index {index} on, numbers are needed",
                    "drop that episode",
                )
        found = rows
    elif isinstance(found, np.ndarray):
        budget.spend(key, 8 * found.size)
    try:
        array = np.asarray(found)
    except ValueError as error:
        raise columns.refusal(where, key, "has rows of different lengths", "drop that episode") from error
    if array.dtype.kind not in "biuf":
        raise columns.refusal(
            where, key, f"has dtype {array.dtype} from index 0 on, numbers are needed", "drop that episode"
        )
    return array


def _size(row: Any) -> int:
    """Bytes of a row as numbers."""
    return row.nbytes if isinstance(row, np.ndarray) else 8 * len(row) if isinstance(row, list) else 8
