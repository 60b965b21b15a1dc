"""The npz of `imitation`, with one observation more than actions, and that of Stable-Baselines."""

import numpy as np

from rankq_jax.data.recording import Recording
from rankq_jax.data.sources import columns, episodic, selection
from rankq_jax.data.sources.arrays import recording
from rankq_jax.data.sources.neorl import warn_of_a_time_limit
from rankq_jax.data.sources.selection import Wanted
from rankq_jax.data.sources.stores import Store


def fits(store: Store) -> bool:
    """Whether a store is of `imitation`: `obs`, `acts` and `terminal`."""
    return {"obs", "acts", "terminal"} <= set(store.names())


def read(store: Store, wanted: Wanted) -> Recording:
    """The recording of `obs`, `acts`, `terminal`, `indices` and, optionally, `rews`; `infos` is not opened.

    `terminal` says of every trajectory whether it ends an episode, `indices` where its actions are split.
    `wanted.resolve` says what such an end is; without it, a terminal.

    Raises:
      InputError: names the field and an index.

    Warns:
      UserWarning: as `neorl.read`.
    """
    found = selection.read(store, ["acts", "terminal", "indices", "rews"], wanted, ("obs",))
    source = store.source
    for key in ("obs", "acts", "terminal", "indices"):
        if key not in found:
            raise columns.refusal(source, key, "is missing", "get the file again")
    seen, action = (columns.vectors(source, key, found[key]) for key in ("obs", "acts"))
    ended = columns.flags(source, "terminal", found["terminal"])
    reward = columns.numbers(source, "rews", found.get("rews", np.zeros(len(action))))
    columns.check_lengths(source, {"acts": action, "rews": reward}, "acts")
    split = _splits(source, found["indices"], len(ended), len(action))
    if len(seen) != len(action) + len(ended):
        raise columns.refusal(
            source,
            "obs",
            f"has {len(seen)} rows from index 0 on, one more than 'acts' in each trajectory are "
            f"{len(action) + len(ended)}",
            "get the file again",
        )
    last = np.zeros(len(action), bool)
    last[np.append(split, len(action)) - 1] = True
    terminal = np.zeros(len(action), bool)
    terminal[last] = ended & (wanted.resolve != "timeout")
    if wanted.resolve is None:
        warn_of_a_time_limit(source, "terminal", last, terminal)
    flags = (np.split(array, split) for array in (action, reward, terminal))
    parts = [
        {"observations": o, "actions": a, "rewards": r, "terminals": t}
        for o, a, r, t in zip(np.split(seen, split + np.arange(len(split)) + 1), *flags, strict=True)
    ]
    return episodic.joined(source, parts, rewarded="rews" in found)


def _splits(source: str, indices: np.ndarray, trajectories: int, steps: int) -> np.ndarray:
    """`[trajectories - 1]` int, increasing between 0 and the number of steps."""
    split = columns.numbers(source, "indices", indices)
    bounds = np.concatenate([[0], split, [steps]])
    if (
        len(split) != trajectories - 1
        or (split != np.floor(split)).any()
        or not (np.diff(bounds) > 0).all()  # also where it is not a number
    ):
        raise columns.refusal(
            source,
            "indices",
            f"does not split {steps} steps into {trajectories} trajectories at index 0",
            "get the file again",
        )
    return split.astype(np.int64)


def fits_expert(store: Store) -> bool:
    """Whether a store is of Stable-Baselines: `obs`, `actions` and `episode_starts`."""
    return {"obs", "actions", "episode_starts"} <= set(store.names())


def read_expert(store: Store, wanted: Wanted) -> Recording:
    """The recording of `obs`, `actions`, `rewards`, `episode_starts`; `episode_returns` is not read.

    The file does not say whether the task or a time limit ended an episode, nor where its last step led. So
    episodes end by a time limit, and their last step is dropped; with `wanted.resolve` as `terminal` that
    step is kept as one.

    Raises:
      InputError: names the field and an index.
    """
    found = selection.read(store, ["actions", "rewards", "episode_starts"], wanted, ("obs",))
    for key in ("obs", "actions", "episode_starts"):
        if key not in found:
            raise columns.refusal(store.source, key, "is missing", "get the file again")
    starts = columns.flags(store.source, "episode_starts", found["episode_starts"])
    columns.check_lengths(store.source, {"episode_starts": starts}, "episode_starts")
    if not starts[0]:
        raise columns.refusal(store.source, "episode_starts", "is 0 at index 0", "get the file again")
    last = np.append(starts[1:], True)
    terminal = last if wanted.resolve == "terminal" else np.zeros(len(last), bool)
    flat = {
        "observations": found["obs"],
        "actions": found["actions"],
        "rewards": found.get("rewards", np.zeros(len(last))),
        "terminals": terminal,
        "timeouts": last & ~terminal,
    }
    columns.check_lengths(store.source, flat, "terminals")
    read = recording(episodic.closed(flat), store.source)
    return read._replace(origin=read.origin._replace(rewarded="rewards" in found))
