"""Training data that stays on disk: one file of raw numbers for each array, mapped when it is read."""

import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rankq_jax import files
from rankq_jax.errors import InputError
from rankq_jax.types import Transition

INDEX = "index.json"  # written last: a folder without it is unfinished


def write(parts: Iterable[Transition], folder: Path, about: Callable[[], Any]) -> None:
    """Writes parts of a dataset one behind another, so that only one of them is in memory.

    Args:
      parts: with leaves `[n, ...]` of the same types and shapes.
      folder: that exists and is empty.
      about: called at the end for the JSON values that `read_about` returns.

    Raises:
      InputError: if there is no row.
      ValueError: if parts have other arrays than the first.
      OSError: if the disk refuses it.
    """
    rows, layout = 0, None
    for part in parts:
        arrays, structure = jax.tree.flatten(part._asdict())
        entries = [
            {"file": f"{number:02}.bin", "dtype": array.dtype.str, "shape": list(array.shape[1:])}
            for number, array in enumerate(arrays)
        ]
        layout = layout or jax.tree.unflatten(structure, entries)
        if layout != jax.tree.unflatten(structure, entries):
            raise ValueError(f"parts with the arrays {layout} and {entries}")
        for entry, array in zip(entries, arrays, strict=True):
            with (folder / str(entry["file"])).open("ab") as file:
                file.write(np.ascontiguousarray(array).data)
        rows += len(part.reward)
    if rows == 0:
        raise InputError(f"{folder}: no source has a row that can be trained on; choose other data.")
    index = {"rows": rows, "arrays": layout, "about": about()}
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

    def mapped(entry: dict[str, Any]) -> np.memmap:
        path, shape = folder / entry["file"], (index["rows"], *entry["shape"])
        size = math.prod(shape) * np.dtype(entry["dtype"]).itemsize
        if not path.is_file() or path.stat().st_size != size:
            raise InputError(f"{path}: does not have the {size} bytes that {INDEX} says; delete {folder}.")
        return np.memmap(path, entry["dtype"], mode="r", shape=shape)

    return Transition(**jax.tree.map(mapped, index["arrays"], is_leaf=lambda x: "file" in x))
