"""HDF5 and npz files as dictionaries of arrays. Nothing in them is ever executed."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from rankq_jax.data.sources.columns import refusal
from rankq_jax.errors import InputError

_LONGEST_CAUSE = 160


def read(path: Path, keys: Iterable[str]) -> dict[str, np.ndarray]:
    """Those of `keys` that the file has, each as an array; `infos/qpos` is `qpos` in the group `infos`.

    Args:
      path: a file with one of the suffixes of `READERS`.
      keys: wanted.

    Raises:
      InputError: if there is no such file, it is damaged, or an entry is no plain array.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path.")
    return READERS[path.suffix](path, list(keys))


def cause(error: BaseException) -> str:
    """What went wrong, on one line of moderate length."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _LONGEST_CAUSE else f"{text[:_LONGEST_CAUSE]}..."


@contextlib.contextmanager
def _reading(place: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # damaged bytes come out of h5py, zipfile and numpy as almost any error
        raise InputError(
            f"{place} cannot be read ({cause(error)}); the file is truncated or damaged, get it again."
        ) from error


def _read_hdf5(path: Path, keys: list[str]) -> dict[str, np.ndarray]:
    with _reading(f"{path}: field 'data'"), h5py.File(path, "r") as file:
        found: dict[str, np.ndarray] = {}
        for key in keys:
            with _reading(f"{path}: field {key!r}"):
                if key in file:
                    found[key] = _dataset(path, key, file[key])
        return found


def _dataset(path: Path, key: str, entry: Any) -> np.ndarray:
    if not isinstance(entry, h5py.Dataset) or entry.shape is None:
        raise refusal(str(path), key, "is no array", "store a dataset of numbers under this name")
    if entry.dtype.kind not in "biuf":
        raise refusal(
            str(path),
            key,
            f"has dtype {entry.dtype} from index 0 on, numbers are needed",
            "store plain arrays",
        )
    if entry.size and entry.id.get_storage_size() == 0:
        # HDF5 would read it as zeros: whoever reserved the space was interrupted before writing.
        raise refusal(str(path), key, "was never written, from index 0 on", "get the file again")
    return np.asarray(entry[()])


def _read_npz(path: Path, keys: list[str]) -> dict[str, np.ndarray]:
    # numpy leaves a damaged file open unless it is given an open one.
    with _reading(f"{path}: field 'data'"), path.open("rb") as file:
        archive = np.load(file, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise InputError(f"{path}: field 'data' is no npz archive; write it with numpy.savez.")
        with archive:
            found: dict[str, np.ndarray] = {}
            for key in keys:
                with _reading(f"{path}: field {key!r}"):
                    if key in archive:
                        found[key] = _member(path, key, archive)
            return found


def _member(path: Path, key: str, archive: Any) -> np.ndarray:
    try:
        array = archive[key]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise refusal(
            str(path),
            key,
            "holds pickled objects from index 0 on, which are not opened",
            "store plain arrays",
        ) from error
    if not isinstance(array, np.ndarray):
        raise refusal(str(path), key, "is no array", "store it with numpy.savez")
    return array


READERS: dict[str, Callable[[Path, list[str]], dict[str, np.ndarray]]] = {
    ".hdf5": _read_hdf5,
    ".h5": _read_hdf5,
    ".npz": _read_npz,
}
