"""Observations that are no flat vectors: images, and dictionaries of arrays, as a task specifies them.

Readers know rows of vectors. So they are given the numbers of rows in the place of such observations, and the
rows are put back into what they return.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from rankq_jax.data.observations import apart, differing, keys_of, named
from rankq_jax.data.recording import Recording
from rankq_jax.data.rules.rule import blocks
from rankq_jax.data.sources import columns
from rankq_jax.specs import describe_array, entries
from rankq_jax.types import Episodes

FIELDS = ("observations", "next_observations")


def keys_with(keys: Sequence[str], like: Any) -> list[str]:
    """Keys of a file of vectors as those of a file of observations like `like`; None: as they are."""
    return [
        own
        for key in keys
        for own in (keys_of(key, like).values() if like is not None and key in FIELDS else [key])
    ]


def checked(source: str, field: str, arrays: Mapping[str, Any], like: Any) -> Any:
    """The observations of a source, a pytree with leaves `[T, *O]` in their own types.

    Args:
      source: what messages begin with.
      field: of the source, e.g. `observations`.
      arrays: by the keys of `keys_of`; others are left out.
      like: the specification of one observation.

    Raises:
      InputError: if an array is missing, or of another shape or type; names both.
    """
    found = []
    for name, key in keys_of(field, like).items():
        needed = entries(like)[name]
        if key not in arrays:
            raise columns.refusal(
                source, key, "is missing", f"store {describe_array(needed)} per step under this name"
            )
        leaf = np.asarray(arrays[key])
        if why := differing(leaf, needed):
            raise columns.refusal(source, key, f"{why}, from index 0 on", "store it so")
        found.append(leaf)
    first = next(iter(keys_of(field, like).values()))
    columns.check_lengths(source, dict(zip(keys_of(field, like).values(), found, strict=True)), first)
    return jax.tree.unflatten(jax.tree.structure(like), found)


def flattened(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Arrays by key; what is a dictionary itself is `key/name`."""
    flat: dict[str, Any] = {}
    for key, value in arrays.items():
        flat |= named(key, dict(value)) if isinstance(value, Mapping) else {key: value}
    return flat


def _numbers(observation: Any, following: Any) -> tuple[np.ndarray, np.ndarray]:
    """`[N, 1]` numbers of rows, and those of next observations: the following row where it is the same."""
    rows = np.arange(len(jax.tree.leaves(observation)[0]), dtype=np.float64)
    same = np.append(np.ones(len(rows) - 1, bool), False)
    pairs = list(zip(jax.tree.leaves(following), jax.tree.leaves(observation), strict=True))
    for rows_of in blocks(len(rows) - 1, sum(leaf[:1].nbytes for leaf, _ in pairs)):
        after = slice(rows_of.start + 1, rows_of.stop + 1)
        for one, other in pairs:
            same[rows_of] &= ~apart(one[rows_of], other[after])
    return rows[:, None], np.where(same, rows + 1, rows + len(rows))[:, None]


def _taken(observation: Any, following: Any, numbers: np.ndarray) -> Any:
    """The rows of numbers `[T, 1]`; those beyond the last row of `observation` are rows of `following`."""
    index = numbers[:, 0].astype(np.int64)

    def one(leaf: np.ndarray, other: np.ndarray | None) -> np.ndarray:
        if np.array_equal(index, np.arange(len(leaf))):
            return leaf
        rows = leaf[index % len(leaf)]
        if other is not None:
            stored = index >= len(leaf)
            rows[stored] = other[index[stored] % len(leaf)]
        return rows

    if following is None:
        return jax.tree.map(lambda leaf: one(leaf, None), observation)
    return jax.tree.map(one, observation, following)


def put_back(episodes: Episodes, observation: Any, following: Any = None) -> Episodes:
    """`episodes` of numbers of rows with the rows themselves.

    Args:
      episodes: what a reader made of numbers.
      observation: leaves `[N, ...]`.
      following: next observations `[N, ...]` where they are stored; row i has the number `N + i`.
    """
    return episodes._replace(
        observation=_taken(observation, following, episodes.observation),
        next_observation=_taken(observation, following, episodes.next_observation),
    )


def recording(
    read: Callable[[dict[str, np.ndarray], str], Recording], arrays: Mapping[str, Any], source: str, like: Any
) -> Recording:
    """What `read` makes of flat arrays, with observations that are no vectors.

    Args:
      read: `(arrays, source) -> Recording` of rows of vectors.
      arrays: by key, see `checked`.
      source: what messages begin with.
      like: the specification of one observation; None: they are vectors.

    Raises:
      InputError: as `checked`, and as `read`.
    """
    if like is None:
        return read(dict(arrays), source)
    arrays = flattened(arrays)
    observation, following = checked(source, "observations", arrays, like), None
    rest = {key: value for key, value in arrays.items() if not key.startswith(FIELDS)}
    if any(key.startswith("next_observations") for key in arrays):
        following = checked(source, "next_observations", arrays, like)
        lengths = [len(jax.tree.leaves(part)[0]) for part in (observation, following)]
        columns.check_lengths(
            source, {"observations": np.empty(lengths[0]), "next_observations": np.empty(lengths[1])},
            "observations",
        )  # fmt: skip
        rest["observations"], rest["next_observations"] = _numbers(observation, following)
    else:
        rows = len(jax.tree.leaves(observation)[0])
        rest["observations"] = np.arange(rows, dtype=np.float64)[:, None]
    found = read(rest, source)
    return found._replace(episodes=put_back(found.episodes, observation, following))
