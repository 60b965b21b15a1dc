"""Robomimic's HDF5: one group for each demonstration, with named observations."""

import re

import numpy as np

from rankq_jax.data.recording import Recording
from rankq_jax.data.sources import columns, episodic, selection
from rankq_jax.data.sources.selection import Wanted
from rankq_jax.data.sources.stores import Store

_GROUP = "data"
_DEMONSTRATION = re.compile(r"demo_(\d+)")


def _demonstrations(store: Store) -> list[str]:
    """Their groups, by number."""
    named = [(match, name) for name in store.names(_GROUP) if (match := _DEMONSTRATION.fullmatch(name))]
    return [f"{_GROUP}/{name}" for _, name in sorted(named, key=lambda pair: int(pair[0][1]))]


def fits(store: Store) -> bool:
    """Whether a store has groups `data/demo_0`, ..."""
    return bool(_demonstrations(store))


def read(store: Store, wanted: Wanted) -> Recording:
    """The recording of `data/demo_k/{obs/NAME, actions, rewards, dones, next_obs/NAME}`.

    Robomimic's `dones` mark successes, ends of demonstrations, or both. So a step is a terminal if it is done
    and has the highest reward of the file; another end is a time limit. `wanted.resolve` overrules that for
    every step that is done.

    Raises:
      InputError: names the demonstration, the field and an index.
    """
    groups = _demonstrations(store)
    entries = selection.entries_of(store, f"{groups[0]}/obs")
    if not entries:
        raise columns.refusal(
            store.source,
            f"{groups[0]}/obs",
            "is missing",
            "extract observations by robomimic's dataset_states_to_obs.py",
        )
    names = selection.choose(store.source, f"{groups[0]}/obs", entries, wanted.keys)
    inner = [
        "actions",
        "rewards",
        "dones",
        *(f"{kind}/{name}" for kind in ("obs", "next_obs") for name in names),
    ]
    found = store.read([f"{group}/{key}" for group in groups for key in inner])
    parts = [_part(store.source, group, names, found) for group in groups]
    rewarded = any(f"{group}/rewards" in found for group in groups)
    best = max(float(part["rewards"].max(initial=0.0)) for part in parts)
    for part in parts:
        sure = {"terminal": True, "timeout": False}.get(wanted.resolve or "", part["rewards"] == best)
        part["terminals"] = part["terminals"] & sure & (best > 0 or wanted.resolve is not None)
    return episodic.joined(store.source, parts, groups, rewarded)


def _part(
    source: str, group: str, names: tuple[str, ...], found: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    def vectors(kind: str) -> np.ndarray:
        inside = {name: found.get(f"{group}/{kind}/{name}") for name in names}
        for name, array in inside.items():
            if array is None:
                raise columns.refusal(
                    source, f"{group}/{kind}/{name}", "is missing", "drop that demonstration"
                )
        return selection.joined(source, f"{group}/{kind}", {k: v for k, v in inside.items() if v is not None})

    if f"{group}/actions" not in found:
        raise columns.refusal(source, f"{group}/actions", "is missing", "drop that demonstration")
    actions = found[f"{group}/actions"]
    nothing = np.zeros(len(actions))
    part = {"observations": vectors("obs"), "actions": actions}
    if any(f"{group}/next_obs/{name}" in found for name in names):
        part["next_observations"] = vectors("next_obs")
    for key, ours in (("rewards", "rewards"), ("dones", "terminals")):
        check = columns.flags if key == "dones" else columns.numbers
        part[ours] = check(source, f"{group}/{key}", found.get(f"{group}/{key}", nothing))
    return part
