"""NeoRL's and NeoRL-2's npz: transitions in a row, and where trajectories start."""

import warnings

import numpy as np

from rankq_jax.data.recording import Recording
from rankq_jax.data.sources import columns, selection
from rankq_jax.data.sources.arrays import recording
from rankq_jax.data.sources.selection import Wanted
from rankq_jax.data.sources.stores import Store

_NAMES = {"obs": "observations", "next_obs": "next_observations", "action": "actions", "reward": "rewards"}
_FLAGS = ("done", "truncated", "index")


def fits(store: Store) -> bool:
    """Whether a store has `obs`, `next_obs`, `action` and `done`."""
    return {"obs", "next_obs", "action", "done"} <= set(store.names())


def read(store: Store, wanted: Wanted) -> Recording:
    """The recording of `obs`, `next_obs`, `action`, `reward`, `done`, and `truncated` or `index`.

    `index` holds the first row of every trajectory. What is done and not truncated is a terminal, or what
    `wanted.resolve` says.

    Raises:
      InputError: names the field and an index.

    Warns:
      UserWarning: if every trajectory ends by `done` after as many steps, as by a time limit.
    """
    keys = [key for key in _NAMES if "obs" not in key]
    found = selection.read(store, [*keys, *_FLAGS], wanted, ("obs", "next_obs"))
    for key in _NAMES:
        if key not in found:
            raise columns.refusal(store.source, key, "is missing", "get the file again")
    done = columns.flags(store.source, "done", found["done"])
    truncated = np.zeros(len(done), bool)
    if "truncated" in found:
        truncated = columns.flags(store.source, "truncated", found["truncated"])
        columns.check_lengths(store.source, {"truncated": truncated, "done": done}, "done")
    columns.check_lengths(store.source, {"done": done}, "done")
    last = _last(store.source, found.get("index"), done | truncated)
    limits = truncated | (last & ~done)
    if wanted.resolve == "timeout":
        limits |= done
    terminal = done & ~limits
    if wanted.resolve is None and "truncated" not in found:
        warn_of_a_time_limit(store.source, "done", last, terminal)
    flags = {"terminals": terminal, "timeouts": limits, "episode_id": np.append(0, np.cumsum(last[:-1]))}
    return recording({ours: found[key] for key, ours in _NAMES.items()} | flags, store.source)


def _last(source: str, index: np.ndarray | None, ended: np.ndarray) -> np.ndarray:
    """`[N]` bool, the last rows of the trajectories, by their first rows where these are given."""
    last = ended.copy()
    last[-1] = True
    if index is None:
        return last
    start = columns.numbers(source, "index", index)
    rows = np.arange(len(ended))
    if len(start) == 0 or start[0] != 0 or (np.diff(start) <= 0).any() or not np.isin(start, rows).all():
        raise columns.refusal(
            source, "index", "is no increasing list of first rows from 0 at index 0", "get the file again"
        )
    starts = np.isin(rows, start)
    marked = np.append(starts[1:], True)
    early = ended & ~marked
    if early.any():
        row = int(np.argmax(early))
        raise columns.refusal(source, "done", f"is set at index {row}, where 'index' ends none", "repair it")
    return marked


def warn_of_a_time_limit(source: str, field: str, last: np.ndarray, terminal: np.ndarray) -> None:
    """Warns if several episodes all end by a terminal after as many steps.

    Args:
      source: what the message begins with.
      field: that marks the terminals.
      last: `[N]` bool, the last rows of episodes.
      terminal: `[N]` bool.
    """
    lengths = np.diff(np.flatnonzero(last), prepend=-1)
    if len(lengths) > 1 and (lengths == lengths[0]).all() and lengths[0] > 1 and terminal[last].all():
        warnings.warn(
            f"{source}: field {field!r} ends every episode after the same {int(lengths[0])} steps; if a time "
            "limit did that, convert it once with resolve='timeout'.",
            stacklevel=3,
        )
