"""LeRobot's datasets: a folder with meta/info.json and parquet files, of version 2 or 3."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rankq_jax.data.recording import SUCCESS_FLAGS, Recording, guessed
from rankq_jax.data.sources import columns, episodic, selection
from rankq_jax.data.sources.containers import reading
from rankq_jax.data.sources.parquet import Parquet
from rankq_jax.data.sources.selection import Wanted
from rankq_jax.data.sources.stores import Declared

INFO = Path("meta") / "info.json"
_LONGEST_INFO = 4 * 2**20  # bytes
_SEEN = "observation."  # that names of observations begin with
_COUNTED = ("episode_index", "frame_index")


def is_folder(path: Path) -> bool:
    """Whether `path` is the folder of a LeRobot dataset."""
    return (path / INFO).is_file()


def read(path: Path, wanted: Wanted) -> Recording:
    """The recording of a folder; `observation.` may be left out of `wanted.keys`.

    A step is a terminal if it is done (`next.done`) and a success (`next.success`, or the higher one of two
    rewards if there are no such flags); another end is a time limit, or what `wanted.resolve` says. If every
    episode is done in its last two rows, its last row is its final observation. Otherwise the last step of an
    episode is dropped unless it is a terminal, because where it led is not in the files.

    Raises:
      InputError: if pyarrow is missing, files are missing or damaged, or a picture is wanted that cannot be
        decoded; names the field and an index.
    """
    source, info = str(path), _info(path)
    features = info["features"]
    files = sorted((path / "data").glob("*/*.parquet"))
    if not files:
        raise columns.refusal(source, "data", "has no parquet files, not even of index 0", "get it again")
    store = Parquet(source, files, {name: about["shape"] for name, about in features.items()})
    names = selection.choose(
        source, "features", _entries(source, features, store, wanted), wanted.keys, _SEEN
    )
    others = ("action", "next.reward", "next.done", "next.success", *_COUNTED)
    found = store.read([*others, *names])
    for key in ("action", *_COUNTED, *names):
        if key not in found:
            raise columns.refusal(source, key, "is missing from the parquet files", "get it again")
    _check_complete(source, info, found)
    flat = {
        "observations": selection.joined(source, "features", {name: found[name] for name in names}),
        "actions": found["action"] if found["action"].ndim > 1 else found["action"][:, None],
        "rewards": columns.numbers(source, "next.reward", found.get("next.reward", np.zeros(store.rows))),
    }
    last = np.append(np.diff(found["episode_index"]) != 0, True)
    done = columns.flags(source, "next.done", found["next.done"]) if "next.done" in found else last
    won = guessed(flat["rewards"], np.zeros(len(last), bool))[0]
    if "next.success" in found:
        won = flat[SUCCESS_FLAGS] = columns.flags(source, "next.success", found["next.success"])
    flat["terminals"] = done & {"terminal": True, "timeout": False}.get(wanted.resolve or "", won)
    parts = _episodes(flat, last, done)
    return episodic.joined(source, parts, rewarded="next.reward" in found)


def _info(path: Path) -> dict[str, Any]:
    """The content of meta/info.json, as far as it is used."""
    source = str(path)
    if (path / INFO).stat().st_size > _LONGEST_INFO:
        raise columns.refusal(source, str(INFO), f"has more than {_LONGEST_INFO} bytes", "get it again")
    with reading(f"{source}: field {str(INFO)!r}"):
        info = json.loads((path / INFO).read_text())
    features = info.get("features") if isinstance(info, dict) else None
    version = str(info.get("codebase_version")) if isinstance(info, dict) else ""
    if not isinstance(features, dict) or not version.startswith(("v2.", "v3.")):
        raise columns.refusal(
            source, str(INFO), f"is of version {version[:20]}, not 2 or 3, or has no features", "get it again"
        )
    for name, about in features.items():
        shape = about.get("shape") if isinstance(about, dict) else None
        sizes = shape if isinstance(shape, list) else [None]
        if not all(type(size) is int and 0 < size < 2**31 for size in sizes):
            raise columns.refusal(
                source, str(INFO), f"says nothing of the shape of {name[:80]!r}", "get it again"
            )
        about["shape"] = tuple(sizes)
    return info


def _entries(source: str, features: Mapping[str, Any], store: Parquet, wanted: Wanted) -> dict[str, Declared]:
    """The observations of the dataset; those that are videos are listed and cannot be had."""
    entries = {}
    for name, about in features.items():
        declared = store.declared(name)
        if name.startswith(_SEEN) and about.get("dtype") == "video":
            entries[name] = Declared((store.rows, *about["shape"]), np.dtype(np.uint8))
            if name in wanted.keys or name.removeprefix(_SEEN) in wanted.keys:
                raise columns.refusal(
                    source, name, "is a video, which is not decoded", "store its pictures as images"
                )
        elif name.startswith(_SEEN) and declared is not None:
            entries[name] = declared
    return entries


def _check_complete(source: str, info: Mapping[str, Any], found: Mapping[str, np.ndarray]) -> None:
    """The rows are those of whole episodes in their order, as many as the metadata says."""
    episode, frame = (columns.numbers(source, key, found[key]) for key in _COUNTED)
    columns.check_lengths(source, {"episode_index": episode, "frame_index": frame}, "episode_index")
    new = np.append(True, np.diff(episode) != 0)
    first = np.maximum.accumulate(np.where(new, np.arange(len(new)), 0))
    wrong = frame != np.arange(len(frame)) - first
    wrong[1:] |= np.diff(episode) < 0
    if wrong.any():
        row = int(np.argmax(wrong))
        raise columns.refusal(
            source, "frame_index", f"does not count the frames of an episode at index {row}", "get it again"
        )
    for key, count in (("total_frames", len(episode)), ("total_episodes", int(new.sum()))):
        if info.get(key) != count:
            raise columns.refusal(
                source,
                str(INFO),
                f"says {key} {str(info.get(key))[:20]}, the parquet files hold {count}",
                "get the missing files",
            )


def _episodes(
    flat: Mapping[str, np.ndarray], last: np.ndarray, done: np.ndarray
) -> list[dict[str, np.ndarray]]:
    """The arrays of each episode; rows of final observations are no steps if every episode has one."""
    ends = np.flatnonzero(last) + 1
    starts = np.append(0, ends[:-1])
    padded = bool((ends - starts > 1).all() and done[ends - 1].all() and done[ends - 2].all())
    parts = []
    for start, end in zip(starts, ends, strict=True):
        part = {key: array[start : end - padded] for key, array in flat.items()}
        parts.append({**part, "observations": flat["observations"][start:end]})
    return parts
