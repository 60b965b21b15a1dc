"""What a user wrote for a dataset: several names, a home, a place within a dataset."""

import os
from pathlib import Path

from rankq_jax.data.sources import lerobot, minari
from rankq_jax.data.sources.root import dataset_folder
from rankq_jax.errors import InputError

KNOWN = "arrays in HDF5 or npz, pickled trajectories, a Minari or LeRobot folder, a mapping file"
_DEEPEST = 3  # folders, within which datasets are looked for to name them
_MOST = 5  # of them that a message names


def names(dataset: str) -> list[str]:
    """The sources that a comma-separated list names; a path that exists is one, commas and all.

    Raises:
      InputError: if there is none, or one of them is empty.
    """
    words, found = dataset.split(","), list[str]()
    while words:
        # The longest run of words that is a path; a single one is a name in any case.
        size = next((n for n in range(len(words), 1, -1) if _exists(",".join(words[:n]).strip())), 1)
        found.append(",".join(words[:size]).strip())
        words = words[size:]
    if "" in found:
        raise InputError(f"dataset {dataset!r}: names nothing; give files, folders or Minari names.")
    return found


def located(name: str) -> Path:
    """The path that a name would be, with the home folder in place of `~`."""
    try:
        return Path(name).expanduser()
    except RuntimeError:  # there is no such user
        return Path(name)


def _exists(name: str) -> bool:
    return os.path.exists(located(name))  # unlike `Path.exists` of any text


def unknown(path: Path) -> InputError:
    """The error for a path that exists and is no dataset: what it is, and what to give."""
    if not path.is_dir():
        size = "is empty" if path.stat().st_size == 0 else "is of no known format"
        return InputError(
            f"{path}: field 'data' {size}; give {KNOWN}, or a Minari name (see docs/datasets.md)."
        )
    inner = sorted(str(each) for each in _datasets(path, _DEEPEST))
    if inner:
        listed = ", ".join(inner[:_MOST]) + (", ..." if len(inner) > _MOST else "")
        return InputError(f"{path}: is no dataset itself; give one that lies in it: {listed}.")
    return InputError(f"{path}: this folder holds no dataset; give {KNOWN}.")


def _datasets(folder: Path, depth: int) -> list[Path]:
    found = []
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and (minari.is_folder(entry) or lerobot.is_folder(entry)):
            found.append(entry)
        elif entry.is_dir() and depth > 1:
            found += _datasets(entry, depth - 1)
        elif entry.suffix in (".hdf5", ".h5", ".npz", ".npy", ".pickle", ".pkl"):
            found.append(entry)
    return found


def dataset_around(path: Path) -> Path | None:
    """The folder of the dataset that a path lies in; None if it lies in none or is one."""
    for inside in path.resolve().parents:
        of_minari = inside.name == "data" and (inside / "metadata.json").is_file()
        if of_minari or (inside.name in ("data", "meta", "videos") and lerobot.is_folder(inside.parent)):
            return inside.parent
    return None


def within(path: Path, folder: Path) -> InputError:
    """The error for a path within a dataset: which folder to give, or which name."""
    if lerobot.is_folder(folder):
        return InputError(f"{path}: is a part of a LeRobot dataset; give its folder {folder}.")
    root = Path(dataset_folder("x-v0")).parent.resolve()
    name = f" or by its name {folder.relative_to(root)}" if folder.is_relative_to(root) else ""
    return InputError(f"{path}: is a part of a Minari dataset; give its folder {folder}{name}.")
