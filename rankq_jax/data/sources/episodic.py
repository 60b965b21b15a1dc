"""Episodes that are stored one by one, as the flat arrays of which recordings are made."""

from collections.abc import Mapping, Sequence

import numpy as np

from rankq_jax.data.recording import SUCCESS_FLAGS, Recording
from rankq_jax.data.sources import columns
from rankq_jax.data.sources.arrays import recording
from rankq_jax.errors import InputError

Arrays = Mapping[str, np.ndarray]

_CHECKS = {
    "observations": columns.vectors,
    "next_observations": columns.vectors,
    "actions": columns.vectors,
    "rewards": columns.numbers,
    "terminals": columns.flags,
    SUCCESS_FLAGS: columns.flags,
}


def joined(
    source: str, parts: Sequence[Arrays], names: Sequence[str] = (), rewarded: bool = True
) -> Recording:
    """The recording of episodes one after another.

    An episode that does not end by a terminal ends by a time limit.

    Args:
      source: what messages begin with.
      parts: of each episode `actions [T, a]`, `rewards [T]`, `terminals [T]`, and `observations`, either
        `[T + 1, o]` with the final one, or `[T, o]`, then optionally `next_observations [T, o]`. Without
        these the last step is dropped, unless it is a terminal: where it led is then not known. Optionally
        `infos/success [T]`.
      names: of the episodes in the source; their numbers by default.
      rewarded: whether the rewards are those of the source.

    Raises:
      InputError: names the episode, the key and an index.
    """
    if not parts:
        raise columns.refusal(source, "data", "holds no episode, not even at index 0", "get it again")
    names = names or [f"episode {index}" for index in range(len(parts))]
    checked = [_checked(f"{source}: {name}", part) for name, part in zip(names, parts, strict=True)]
    for name, part in zip(names, checked, strict=True):
        _check_alike(source, (name, part), (names[0], checked[0]))
    lengths = [len(part["actions"]) for part in checked]
    flat = {key: np.concatenate([part[key] for part in checked]) for key in checked[0]}
    last = np.zeros(sum(lengths), bool)
    last[np.cumsum(lengths) - 1] = True
    flat["timeouts"] = last & ~flat["terminals"]
    if "next_observations" in flat:
        flat["episode_id"] = np.repeat(np.arange(len(lengths)), lengths)
    else:
        flat["terminals"] = flat["terminals"] & last  # where others led is in the following row
        flat = closed(flat)
    read = recording(flat, source)
    return read._replace(origin=read.origin._replace(rewarded=rewarded))


def closed(flat: Arrays) -> dict[str, np.ndarray]:
    """Flat arrays that lose no final terminal: a row follows it, from another episode as everywhere else.

    Args:
      flat: without `next_observations`, of a format whose last row is a step of the environment.
    """
    if not len(flat["terminals"]) or not flat["terminals"][-1]:
        return dict(flat)
    row = {
        key: array[:1] if key == "observations" else np.zeros_like(array[:1]) for key, array in flat.items()
    }
    row["timeouts"] = np.ones_like(flat["timeouts"][:1])
    row["rewards"] = flat["rewards"][-1:]
    return {key: np.concatenate([array, row[key]]) for key, array in flat.items()}


def _checked(where: str, part: Arrays) -> dict[str, np.ndarray]:
    for key in ("observations", "actions", "rewards", "terminals"):
        if key not in part:
            raise columns.refusal(where, key, "is missing", "store it, or drop that episode")
    found = {key: check(where, key, part[key]) for key, check in _CHECKS.items() if key in part}
    if len(found["observations"]) == len(found["actions"]) + 1 and "next_observations" not in found:
        found["next_observations"] = found["observations"][1:]
        found["observations"] = found["observations"][:-1]
    columns.check_lengths(where, found, "actions")
    _check_rolled(where, found)
    return found


def _check_rolled(where: str, part: Arrays) -> None:
    """Next observations that end with the first observation were made by a roll, not by the environment."""
    seen, following = part["observations"], part.get("next_observations")
    if following is None or len(seen) < 3 or following.shape != seen.shape:
        return
    rolled = (following[-1] == seen[0]).all() and (following[:-1] == seen[1:]).all()
    if rolled and (seen[0] != seen[1:]).any():
        raise columns.refusal(
            where,
            "next_observations",
            f"at index {len(seen) - 1} is the first observation again",
            "store the final observation there, or leave next_observations out",
        )


def _check_alike(source: str, part: tuple[str, Arrays], first: tuple[str, Arrays]) -> None:
    name, found = part
    for key in _CHECKS:
        if (key in found) != (key in first[1]):
            less, more = (name, first[0]) if key in first[1] else (first[0], name)
            raise columns.refusal(
                f"{source}: {less}", key, f"is missing, {more} has it from index 0 on", "repair or drop one"
            )
    for key in ("observations", "actions"):
        size, expected = found[key].shape[1], first[1][key].shape[1]
        if size != expected:
            raise InputError(
                f"{source}: {name}: field {key!r} has {size} numbers per step from index 0 on, {first[0]} "
                f"has {expected}; drop that episode."
            )
