"""Minari datasets, read through Minari's own interface."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import minari
import numpy as np

from rankq_jax.data.recording import SUCCESS_FLAGS, TERMINALS, Origin, Recording
from rankq_jax.data.sources import columns, observations, selection
from rankq_jax.data.sources.containers import cause
from rankq_jax.data.sources.minari_metadata import check_declared, read_metadata, read_world
from rankq_jax.data.sources.remote import download
from rankq_jax.data.sources.root import dataset_folder, exists
from rankq_jax.data.sources.selection import Wanted
from rankq_jax.data.sources.stores import Declared, flattened
from rankq_jax.environments import SIMULATOR_STATE
from rankq_jax.errors import InputError
from rankq_jax.types import Episodes

__all__ = ["dataset_folder", "exists", "fetched", "is_folder", "load_minari", "read_minari"]


def is_folder(path: Path) -> bool:
    """Whether `path` is the folder of a Minari dataset, or the folder `data` inside it."""
    return (path / "data" / "metadata.json").is_file() or (
        path.name == "data" and (path / "metadata.json").is_file()
    )


def load_minari(dataset: str, observation_size: int | None = None, simulator_state: bool = False) -> Episodes:
    """The episodes of `read_minari`; its arguments and errors."""
    return read_minari(dataset, Wanted(observation_size, simulator_state)).episodes


def fetched(dataset: str) -> Path:
    """The folder of a dataset, which is downloaded where it is not on disk.

    Raises:
      InputError: if it cannot be downloaded.
    """
    folder = Path(dataset)
    if not is_folder(folder):
        folder = dataset_folder(dataset)
        if not (folder / "data").is_dir():
            download(dataset)
    return folder


def read_minari(dataset: str, wanted: Wanted) -> Recording:
    """All episodes of a dataset; one that is not on disk is downloaded.

    Args:
      dataset: Minari name, e.g. `pointmaze-umaze/waypoints-80k-seed0-v0`, or the folder of a dataset.
      wanted: what is kept. Of a dictionary observation these are its `keys`; without any the entry
        `observation`. If that has fewer entries than `observation_size`, and just this many together with
        `achieved_goal`, then `achieved_goal` precedes it (AntMaze of Gymnasium-Robotics). A dictionary
        without `observation` must have just one vector. Simulator states are those before each step.

    Returns:
      Episodes with `terminated` from Minari's terminations alone: a time limit is never a terminal.
      `success` is the `success` info where there is one, else `terminated`.

    Raises:
      InputError: if the dataset is missing, cannot be read, or an episode's fields do not belong
        together; names the folder, the field, the episode and the index.
    """
    folder = fetched(dataset)
    count, labeled = 0, True
    try:
        inside = _data_folder(folder)
        check_declared(folder, inside)
        world = read_world(folder, inside)
        data = minari.MinariDataset(inside)

        def parts() -> Iterator[Episodes]:
            nonlocal count, labeled
            first = None
            for episode in data.iterate_episodes():
                labeled &= "success" in (episode.infos or {})
                part = _episode(f"{folder}: episode {episode.id}", count, episode, wanted)
                first = part if first is None else first
                _check_alike(folder, episode.id, part, first)
                yield part
                count += 1

        episodes = gather(parts(), int(data.total_steps))
    except InputError:
        raise
    except Exception as error:  # h5py and Minari report missing and damaged files by almost any error
        remedy = "the file is truncated or damaged, delete the dataset and make it again."
        if (folder / "data" / "0").is_dir():  # arrow or parquet, which the versions of packages decide about
            remedy = "try other versions of minari and pyarrow, or get the dataset in hdf5."
        raise InputError(
            f"{folder}: field 'data' cannot be read from episode index {count} on ({cause(error)}); {remedy}"
        ) from error
    if episodes is None:
        raise InputError(f"{folder}: field 'episodes' is empty; delete it and make it again.")
    success = SUCCESS_FLAGS if labeled else TERMINALS
    return Recording(episodes, Origin(derived=True, success=success, world=world))


def gather(parts: Iterable[Episodes], capacity: int) -> Episodes | None:
    """The parts one after another in one allocation, which saves the memory of holding them twice.

    Args:
      parts: alike in names, shapes per step and types.
      capacity: steps to be expected; with more of them the arrays grow.

    Returns:
      What they make up, None if there are none.
    """
    joined: Episodes | None = None
    used = 0
    for part in parts:
        end = used + len(part.reward)
        if joined is None:
            joined = _room(part, 0, max(capacity, end))
        elif end > len(joined.reward):
            joined = _room(joined, used, 2 * end)
        for column, leaf in zip(jax.tree.leaves(joined), jax.tree.leaves(part), strict=True):
            column[used:end] = leaf
        used = end
    return None if joined is None else jax.tree.map(lambda leaf: leaf[:used], joined)


def _room(episodes: Episodes, used: int, rows: int) -> Episodes:
    """The first `used` rows in arrays with room for `rows`."""

    def widened(leaf: np.ndarray) -> np.ndarray:
        wider = np.empty((rows, *leaf.shape[1:]), leaf.dtype)
        wider[:used] = leaf[:used]
        return wider

    return jax.tree.map(widened, episodes)


def _data_folder(folder: Path) -> Path:
    """The folder `data` of a dataset, once it is known that Minari will not run anything to read it."""
    inside = folder if folder.name == "data" and (folder / "metadata.json").exists() else folder / "data"
    metadata = read_metadata(folder, inside)
    for key in ("observation_space", "action_space"):
        if key not in metadata:
            # Minari would make the environment that the file names, with whatever code that runs.
            raise columns.refusal(str(folder), key, "is missing from metadata.json", "store both spaces")
    return inside


def _check_alike(folder: Path, number: int, part: Episodes, first: Episodes) -> None:
    named = [
        {**observations.named("observation", each.observation), "action": each.action}
        for each in (part, first)
    ]
    for field in named[0]:
        found, expected = named[0][field], named[1][field]
        if (found.shape[1:], found.dtype) != (expected.shape[1:], expected.dtype):
            raise InputError(
                f"{folder}: episode {number}: field {field!r} has shape {found.shape[1:]} and dtype "
                f"{found.dtype} per step from index 0 on, the first episode {expected.shape[1:]} and "
                f"{expected.dtype}; repair or drop that episode."
            )
    shapes = [{name: leaf.shape[1:] for name, leaf in each.info.items()} for each in (part, first)]
    if shapes[0] != shapes[1]:
        raise InputError(
            f"{folder}: episode {number}: field 'infos' has {shapes[0]} from index 0 on, the first episode "
            f"{shapes[1]}; repair or drop that episode."
        )


def _episode(where: str, number: int, episode: Any, wanted: Wanted) -> Episodes:
    if wanted.like is not None:
        recorded = observations.flattened({"observations": episode.observations})
        seen = observations.checked(where, "observations", recorded, wanted.like)
        rows = np.arange(len(jax.tree.leaves(seen)[0]), dtype=np.float64)[:, None]
        numbered = dataclasses.replace(episode, observations=rows)
        of_rows = _episode(where, number, numbered, wanted._replace(like=None, keys=()))
        return observations.put_back(of_rows, seen)
    vectors = _observations(where, episode.observations, wanted)
    infos = episode.infos or {}
    data = {
        "rewards": columns.numbers(where, "rewards", np.asarray(episode.rewards)),
        "observations": vectors[:-1],
        "actions": columns.vectors(where, "actions", np.asarray(episode.actions)),
        "terminations": columns.flags(where, "terminations", np.asarray(episode.terminations)),
        "truncations": columns.flags(where, "truncations", np.asarray(episode.truncations)),
    }
    steps = len(data["rewards"])
    if "success" in infos:
        success = columns.flags(where, "infos/success", np.asarray(infos["success"]))
        data["infos/success"] = success[1:] if len(success) == steps + 1 else success
    for name in SIMULATOR_STATE if wanted.simulator_state else ():
        if name in infos:
            state = columns.vectors(where, f"infos/{name}", np.asarray(infos[name]))
            data[f"infos/{name}"] = state[:-1] if len(state) == steps + 1 else state
    columns.check_lengths(where, data, "rewards")
    terminated = data["terminations"]
    early = data["truncations"][:-1]
    if early.any():
        raise columns.refusal(
            where,
            "truncations",
            f"is set at index {int(np.argmax(early))}, before the last step of the episode",
            "split the episode there",
        )
    return Episodes(
        observation=data["observations"],
        action=data["actions"],
        reward=data["rewards"],
        next_observation=vectors[1:],
        terminated=terminated,
        truncated=data["truncations"] & ~terminated,
        success=data.get("infos/success", terminated),
        episode=np.full(steps, number),
        info={name: data[f"infos/{name}"] for name in SIMULATOR_STATE if f"infos/{name}" in data},
    )


def _observations(where: str, recorded: Any, wanted: Wanted) -> np.ndarray:
    """`[T + 1, o]`, the vectors of an episode."""
    if not isinstance(recorded, Mapping):
        if wanted.keys:
            raise columns.refusal(
                where, "observations", "is one array without named entries", "leave keys out"
            )
        return columns.vectors(where, "observations", np.asarray(recorded))
    parts = flattened(recorded)
    chosen = selection.choose(
        where,
        "observations",
        {name: Declared(part.shape, part.dtype) for name, part in parts.items()},
        wanted.keys,
    )
    size, goal = wanted.observation_size, parts.get("achieved_goal")
    if chosen == (selection.USUAL,) and not wanted.keys and size is not None and goal is not None:
        short = size - parts[selection.USUAL].shape[-1]
        if short > 0 and goal.shape[1:] == (short,):
            chosen = ("achieved_goal", selection.USUAL)
    return selection.joined(where, "observations", {name: parts[name] for name in chosen})
