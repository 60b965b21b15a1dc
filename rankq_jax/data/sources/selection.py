"""What is wanted of a source, and which of its named observations make up the vector."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rankq_jax.data.sources import columns
from rankq_jax.data.sources.stores import Declared, Store
from rankq_jax.errors import InputError, suggestion

USUAL = "observation"  # of a gymnasium GoalEnv, whose other entries are goals
_MOST_NAMES = 20  # that a message lists


class Wanted(NamedTuple):
    """What a reader is to keep of a source.

    Attributes:
      observation_size: length that the task's observation vector has; see `minari.read_minari`.
      simulator_state: whether `types.SIMULATOR_STATE` is kept in `info`, as far as it is recorded.
      resolve: what a row is that the source calls both a terminal and a timeout, or only an end: `terminal`
        or `timeout`.
      keys: names of the observations that are joined to one vector, in this order; none: see `choose`.
      like: the specification of one observation where that is no vector, see `sources.observations`.
    """

    observation_size: int | None = None
    simulator_state: bool = False
    resolve: str | None = None
    keys: tuple[str, ...] = ()
    like: Any = None


def keys_of(text: str) -> tuple[str, ...]:
    """The names of a list with commas or plus signs between them.

    Raises:
      InputError: if a name is empty or given twice.
    """
    if not text.strip():
        return ()
    names = tuple(name.strip() for name in text.replace("+", ",").split(","))
    if "" in names or len(set(names)) < len(names):
        raise InputError(f"keys {text!r}: names nothing, or one thing twice; give e.g. 'position+velocity'.")
    return names


def choose(
    source: str, field: str, entries: Mapping[str, Declared], keys: Sequence[str], start: str = ""
) -> tuple[str, ...]:
    """The entries of which observations are made.

    Without `keys` these are the one vector that there is, or the entry `observation` of a GoalEnv.

    Args:
      source: what messages begin with.
      field: that has the entries.
      entries: by name, what is declared of them, `[steps, ...]`.
      keys: that the user has named.
      start: that may be left out of a name.

    Raises:
      InputError: if a name is unknown, or none is given and there is not just one vector; lists them.
    """
    if keys:
        known = {name.removeprefix(start): name for name in entries} | {name: name for name in entries}
        for key in keys:
            if key not in known:
                raise InputError(f"{source}: field {field!r} has no entry {key!r}.{suggestion(key, entries)}")
        return tuple(known[key] for key in keys)
    vectors = [name for name, about in entries.items() if about.dtype.kind == "f" and len(about.shape) <= 2]
    if USUAL in entries or len(vectors) == 1:
        return (USUAL,) if USUAL in entries else (vectors[0],)
    listed = ", ".join(f"{name} {_words(about)}" for name, about in list(entries.items())[:_MOST_NAMES])
    if not vectors:
        raise columns.refusal(
            source,
            field,
            f"has no entry that is a vector, only {listed or 'nothing'}",
            "store vectors as float32",
        )
    raise columns.refusal(
        source,
        field,
        f"has several entries: {listed}",
        f"name those to join by keys, e.g. keys='{'+'.join(vectors[:2])}'",
    )


def _words(about: Declared) -> str:
    size = " x ".join(map(str, about.shape[1:])) or "1"
    return f"({size}{'' if about.dtype.kind == 'f' else f' {about.dtype}'})"


def joined(source: str, field: str, parts: Mapping[str, np.ndarray]) -> np.ndarray:
    """The observations of steps, of the entries that were chosen: `[N, o]`, one beside the other.

    Every reader makes observations here.

    Args:
      source: what messages begin with.
      field: that has the entries.
      parts: by name, `[N, size]` or `[N]`, in the order in which they are joined.

    Raises:
      InputError: if an entry is no vector of floating-point numbers, or their lengths differ.
    """
    found = {}
    for name, array in parts.items():
        key = f"{field}/{name}" if name else field
        found[key] = columns.vectors(source, key, array[:, None] if array.ndim == 1 else array)
    if len(found) > 1:
        columns.check_lengths(source, found, list(found)[-1])
    return next(iter(found.values())) if len(found) == 1 else np.concatenate(list(found.values()), axis=1)


def entries_of(store: Store, group: str) -> dict[str, Declared]:
    """The arrays directly within a group, by name."""
    found = {name: store.declared(f"{group}/{name}") for name in store.names(group)}
    return {name: about for name, about in found.items() if about is not None}


def read(
    store: Store,
    keys: Sequence[str],
    wanted: Wanted,
    fields: Sequence[str] = ("observations", "next_observations"),
) -> dict[str, np.ndarray]:
    """Arrays of a store, those with named entries joined to vectors.

    Args:
      store: whose arrays are read.
      keys: of arrays as they are.
      wanted: whose `keys` name the entries.
      fields: of observations; the entries of the first are chosen for all of them.

    Raises:
      InputError: as `choose`, `joined` and `Store.read`, and if entries are named and there are none.
    """
    entries = entries_of(store, fields[0])
    if not entries:
        if wanted.keys and store.declared(fields[0]) is not None:
            raise columns.refusal(
                store.source, fields[0], "is one array without named entries", "leave keys out"
            )
        return store.read([*fields, *keys])
    keys = [key for key in keys if key not in fields]
    chosen = choose(store.source, fields[0], entries, wanted.keys)
    present = [field for field in fields if store.names(field)]
    found = store.read([*keys, *(f"{field}/{name}" for field in present for name in chosen)])
    for field in present:
        parts = {}
        for name in chosen:
            if f"{field}/{name}" not in found:
                raise columns.refusal(
                    store.source, f"{field}/{name}", "is missing", "store it or leave it out"
                )
            parts[name] = found.pop(f"{field}/{name}")
        found[field] = joined(store.source, field, parts)
    return found
