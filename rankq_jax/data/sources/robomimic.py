"""Robomimic's HDF5: one group for each demonstration, with named observations."""

import re

import numpy as np

from rankq_jax.data.recording import Recording, guessed
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
    and has the higher one of two rewards; another end is a time limit. `wanted.resolve` overrules that for
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
    reward = np.concatenate([part["rewards"] for part in parts])
    won = guessed(reward, np.zeros(len(reward), bool))[0]
    ends = np.cumsum([len(part["rewards"]) for part in parts])
    for part, reached in zip(parts, np.split(won, ends[:-1]), strict=True):
        sure = {"terminal": True, "timeout": False}.get(wanted.resolve or "", reached)
        part["terminals"] = part["terminals"] & sure
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
    columns.check_lengths(source, {f"{group}/actions": actions}, f"{group}/actions")
    nothing = np.zeros(len(actions))
    part = {"observations": vectors("obs"), "actions": actions}
    if any(f"{group}/next_obs/{name}" in found for name in names):
        part["next_observations"] = vectors("next_obs")
    for key, ours in (("rewards", "rewards"), ("dones", "terminals")):
        check = columns.flags if key == "dones" else columns.numbers
        part[ours] = check(source, f"{group}/{key}", found.get(f"{group}/{key}", nothing))
    columns.check_lengths(f"{source}: {group}", part, "actions")
    return part
