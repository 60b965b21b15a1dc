"""Training data that stays on disk: one file of raw numbers for each array, mapped when it is read."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from rankq_jax import files
from rankq_jax.errors import InputError
from rankq_jax.types import Transition

INDEX = "index.json"  # written last: a folder without it is unfinished


def _arrays(data: Transition) -> dict[str, np.ndarray]:
    """`{"observation": ..., "extras/success": ...}`."""
    return flatten_dict(data._asdict(), sep="/")


def write(parts: Iterable[Transition], folder: Path, about: Callable[[], Any]) -> None:
    """Writes parts of a dataset one behind another, so that only one of them is in memory.

    Args:
      parts: with leaves `[n, ...]` of the same types and shapes.
      folder: that exists and is empty.
      about: called at the end for the JSON values that `read_about` returns.

    Raises:
      ValueError: if there is no row.
      OSError: if the disk refuses it.
    """
    rows, leaves = 0, dict[str, Any]()
    for part in parts:
        for number, (name, array) in enumerate(sorted(_arrays(part).items())):
            entry: Any = {
                "file": f"{number:02}.bin",
                "dtype": array.dtype.str,
                "shape": list(array.shape[1:]),
            }
            if leaves.setdefault(name, entry) != entry:
                raise ValueError(f"{name}: {array.dtype}{array.shape[1:]} after {leaves[name]}")
            with (folder / entry["file"]).open("ab") as file:
                file.write(np.ascontiguousarray(array).data)
        rows += len(part.reward)
    if rows == 0:
        raise ValueError("a dataset needs at least one row")
    index = {"rows": rows, "leaves": leaves, "about": about()}
    files.write(folder / INDEX, json.dumps(index).encode())


def read_about(folder: Path) -> Any:
    """What `write` was told about a dataset; None if it is missing or unfinished."""
    try:
        return json.loads((folder / INDEX).read_text())["about"]
    except FileNotFoundError:
        return None


def read(folder: Path) -> Transition:
    """A dataset as mapped files; rows are read when they are used.

    Raises:
      InputError: if a file is missing or shorter than the index says.
    """
    index = json.loads((folder / INDEX).read_text())
    found = {}
    for name, entry in index["leaves"].items():
        path, shape = folder / entry["file"], (index["rows"], *entry["shape"])
        size = int(np.prod(shape)) * np.dtype(entry["dtype"]).itemsize
        if not path.is_file() or path.stat().st_size != size:
            raise InputError(f"{path}: is not the {size} bytes of field {name!r}; delete {folder}.")
        found[name] = np.memmap(path, entry["dtype"], mode="r", shape=shape)
    return Transition(**unflatten_dict(found, sep="/"))
