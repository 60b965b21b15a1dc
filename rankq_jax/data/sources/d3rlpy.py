"""D3rlpy's HDF5 of both versions: flat arrays with ends, and arrays of each episode."""

import re
from collections.abc import Mapping

import numpy as np

from rankq_jax.data.recording import Recording
from rankq_jax.data.sources import arrays, columns, ends, episodic, selection
from rankq_jax.data.sources.selection import Wanted
from rankq_jax.data.sources.stores import Declared, Store

_COUNT = "num_episodes"
_FLAT = ("actions", "rewards", "terminals", "episode_terminals")


def fits_first(store: Store) -> bool:
    """Whether a store is of version 1: flat arrays with `episode_terminals`."""
    names = store.names()
    return "episode_terminals" in names and "timeouts" not in names


def read_first(store: Store, wanted: Wanted) -> Recording:
    """The recording of version 1: `observations`, `actions`, `rewards`, `terminals`, `episode_terminals`.

    The last step of an episode that is no terminal is dropped, because where it led is not in the file.

    Raises:
      InputError: names the field and an index.
    """
    found = ends.adopted(selection.read(store, _FLAT, wanted), store.source)
    if all(key in found for key in arrays.REQUIRED):
        flags = {key: columns.flags(store.source, key, found[key]) for key in ("terminals", "timeouts")}
        columns.check_lengths(store.source, {**found, **flags}, "rewards")
        found = episodic.closed({**found, **flags})
        found.pop("episode_terminals")
    return arrays.recording(found, store.source, wanted.resolve)


def fits_second(store: Store) -> bool:
    """Whether a store is of version 2: `num_episodes`, `columns`, and arrays with numbers in their names."""
    return {_COUNT, "columns"} <= set(store.names())


def read_second(store: Store, wanted: Wanted) -> Recording:
    """The recording of version 2: `observations_0`, `actions_0`, `rewards_0`, `terminated_0`, ...

    Observations of several parts are `observations_0_0`, `observations_0_1`; `keys` name them by the second
    number. The last step of an episode that is not terminated is dropped, as in d3rlpy.

    Raises:
      InputError: names the episode, the field and an index.
    """
    count = _count(store)
    chosen = _chosen(store, wanted)
    found = store.read([key for index in range(count) for key in _keys(index, chosen)])
    parts = []
    for index in range(count):
        where = f"{store.source}: episode {index}"
        for key in _keys(index, chosen):
            if key not in found:
                raise columns.refusal(where, key, "is missing", "get the file again")
        parts.append(_part(where, index, chosen, found))
    return episodic.joined(store.source, parts)


def _keys(index: int, chosen: Mapping[str, str]) -> list[str]:
    """The arrays of an episode."""
    fields = [f"{key}_{index}" for key in ("actions", "rewards", "terminated")]
    return [*fields, *(f"observations_{index}{part}" for part in chosen.values())]


def _count(store: Store) -> int:
    """The number of episodes, never more than the store has names for."""
    about = store.declared(_COUNT)
    if about is None or about.shape or about.dtype.kind not in "iu":
        raise columns.refusal(store.source, _COUNT, "is no whole number at index 0", "get the file again")
    count, held = int(store.read([_COUNT])[_COUNT]), len(store.names())
    if not 0 < count <= held:
        raise columns.refusal(
            store.source, _COUNT, f"is {count} at index 0, the file holds {held} arrays", "get the file again"
        )
    return count


def _chosen(store: Store, wanted: Wanted) -> dict[str, str]:
    """The parts of an observation that are joined: what follows `observations_0`, by their numbers."""
    numbered = (re.fullmatch(r"observations_0_(\d+)", name) for name in store.names())
    entries: dict[str, Declared] = {}
    for match in numbered:
        about = store.declared(match[0]) if match else None
        if match and about is not None:
            entries[match[1]] = about
    if entries:
        names = selection.choose(store.source, "observations_0", entries, wanted.keys)
        return {name: f"_{name}" for name in names}
    if wanted.keys:
        raise columns.refusal(store.source, "observations_0", "has no named entries", "leave keys out")
    return {"": ""}


def _part(
    where: str, index: int, chosen: Mapping[str, str], found: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    action = found[f"actions_{index}"]
    ended = columns.flags(where, f"terminated_{index}", found[f"terminated_{index}"].reshape(-1))
    if len(ended) != 1:
        raise columns.refusal(
            where, f"terminated_{index}", "is not one flag at index 0", "get the file again"
        )
    seen = {name: found[f"observations_{index}{part}"] for name, part in chosen.items()}
    terminal = np.zeros(len(action) if action.ndim else 0, bool)
    terminal[-1:] = ended[0]
    return {
        "observations": selection.joined(where, f"observations_{index}", seen),
        "actions": action,
        "rewards": found[f"rewards_{index}"],
        "terminals": terminal,
    }
