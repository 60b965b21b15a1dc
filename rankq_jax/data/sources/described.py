"""A mapping file: which array of another file is what, for layouts that nobody else has."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from rankq_jax.data.recording import SUCCESS_FLAGS, Recording
from rankq_jax.data.sources import containers, episodic, selection
from rankq_jax.data.sources.arrays import recording
from rankq_jax.data.sources.parquet import MARK, Parquet
from rankq_jax.data.sources.selection import Wanted
from rankq_jax.data.sources.stores import Store
from rankq_jax.errors import InputError, suggestion

_LONGEST = 65_536  # bytes
_SEEN = ("observations", "next_observations")
_OTHERS = ("actions", "rewards", "terminals", "timeouts", "episode_id", "success")
_OURS = {"success": SUCCESS_FLAGS}
_WORDS = ("file", "episodes", *_SEEN, *_OTHERS)


def is_mapping(path: Path) -> bool:
    """Whether a file is YAML or JSON that says which observations and actions there are."""
    if not path.is_file() or path.stat().st_size > _LONGEST:
        return False
    found = _parsed(path)
    return isinstance(found, dict) and bool({"file", "observations"} & set(found))


def target(path: Path) -> list[Path]:
    """The file that a mapping file names; none for other files."""
    about = _parsed(path) if is_mapping(path) else {}
    named = about.get("file")
    return [path.parent / Path(named).expanduser()] if isinstance(named, str) and named else []


def _parsed(path: Path) -> Any:
    """The content, all of its values text; None if it is neither YAML nor JSON."""
    try:
        text = path.read_text(encoding="utf-8")
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            # The base loader makes text and nothing else, and follows no merge keys, which can multiply.
            return yaml.load(text, Loader=yaml.BaseLoader)
    except (ValueError, RecursionError, yaml.YAMLError):
        return None


def read(path: Path, wanted: Wanted) -> Recording:
    """The recording that a mapping file describes.

    Its keys are `file`, beside the mapping file; `observations` and `next_observations`, a name or a list of
    names that are joined; `actions`, `rewards`, `terminals`, `timeouts`, `episode_id` and `success`; and
    `episodes`, such as `traj_*`: groups with an episode each, in which the other names lie. Rewards that are
    left out are 0, terminals too.

    Raises:
      InputError: names the key of the mapping file, or the field of the file that it names.
    """
    about = _checked(path)
    if wanted.keys:
        raise InputError(f"{path}: key 'observations' names the observations already; leave keys out.")
    target = path.parent / Path(about["file"]).expanduser()
    if not target.is_file():
        raise InputError(f"{path}: key 'file' names {target}, which is no file; correct it.")
    with target.open("rb") as file:
        parquet = file.read(4) == MARK
    if parquet:
        return _read(path, about, Parquet(str(target), [target], {}), wanted)
    if not containers.container(target):
        raise InputError(f"{path}: key 'file' names {target}, which is neither HDF5, npz nor parquet.")
    with containers.opened(target) as store:
        return _read(path, about, store, wanted)


def _checked(path: Path) -> dict[str, Any]:
    """The keys of a mapping file: lists of names for observations, a name for everything else."""
    about = dict(_parsed(path))
    for key, value in about.items():
        if key not in _WORDS:
            raise InputError(f"{path}: key {str(key)[:40]!r} is unknown.{suggestion(str(key)[:40], _WORDS)}")
        if key in _SEEN and isinstance(value, list):
            names = value
        else:
            names = about[key] = [value]
        if not names or not all(isinstance(name, str) and name for name in names):
            raise InputError(
                f"{path}: key {key!r} is no name of an array; give one, or a list for observations."
            )
        about[key] = names if key in _SEEN else names[0]
    for key in ("file", "observations", "actions"):
        if key not in about:
            raise InputError(f"{path}: key {key!r} is missing; say which array it is.")
    if not {"terminals", "timeouts", "episode_id", "episodes"} & set(about):
        raise InputError(
            f"{path}: nothing says where episodes end; give terminals, timeouts, episode_id or episodes."
        )
    return about


def _read(path: Path, about: dict[str, Any], store: Store, wanted: Wanted) -> Recording:
    if "episodes" not in about:
        flat = _arrays(path, about, store, "")
        read = recording({"terminals": np.zeros(len(flat["rewards"])), **flat}, store.source, wanted.resolve)
        return read._replace(origin=read.origin._replace(rewarded="rewards" in about))
    groups = _groups(path, about["episodes"], store)
    parts = []
    for group in groups:
        part = _arrays(path, about, store, f"{group}/")
        parts.append({"terminals": np.zeros(len(part["actions"])), **part})
    return episodic.joined(store.source, parts, groups, "rewards" in about)


def _groups(path: Path, pattern: str, store: Store) -> list[str]:
    """The groups that a pattern such as `data/traj_*` matches, by the numbers in their names."""
    folder, _, name = pattern.rpartition("/")
    before, star, after = name.partition("*")
    if not star or "*" in after:
        raise InputError(f"{path}: key 'episodes' needs one * in its last name, such as 'traj_*'.")
    names = [
        found
        for found in store.names(folder)
        if found.startswith(before) and found.endswith(after) and len(found) >= len(before) + len(after)
        and store.names(f"{folder}/{found}" if folder else found)
    ]  # fmt: skip
    if not names:
        raise InputError(f"{path}: key 'episodes' matches no group of {store.source}; correct it.")

    def number(found: str) -> tuple[int, str]:
        middle = found[len(before) : len(found) - len(after)]
        return (int(middle), "") if middle.isdecimal() else (-1, found)

    return [f"{folder}/{found}" if folder else found for found in sorted(names, key=number)]


def _arrays(path: Path, about: dict[str, Any], store: Store, start: str) -> dict[str, np.ndarray]:
    """The arrays of a mapping under our names."""
    keys = {key: [f"{start}{name}" for name in about[key]] for key in _SEEN if key in about}
    keys |= {key: [start + about[key]] for key in _OTHERS if key in about}
    found = store.read([name for names in keys.values() for name in names])
    for key, names in keys.items():
        for name in names:
            if name not in found:
                raise InputError(
                    f"{store.source}: field {name!r} is missing, which {path} says are the {key}; correct it."
                )
    arrays = {_OURS.get(key, key): found[keys[key][0]] for key in _OTHERS if key in about}
    for key in _SEEN:
        if key in about:
            parts = {name.removeprefix(start): found[name] for name in keys[key]}
            arrays[key] = selection.joined(store.source, start.rstrip("/") or key, parts)
    if arrays["actions"].ndim == 1:
        arrays["actions"] = arrays["actions"][:, None]
    arrays.setdefault("rewards", np.zeros(len(arrays["actions"]) if arrays["actions"].ndim else 0))
    return arrays
