"""HDF5 and npz files as dictionaries of arrays. Nothing in them is ever executed."""

import contextlib
import io
import itertools
import math
import mmap
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from rankq_jax.data.sources import hdf5
from rankq_jax.data.sources.columns import refusal
from rankq_jax.data.sources.limits import Budget
from rankq_jax.errors import InputError, one_line

_LONGEST_CAUSE = 160
_LONGEST_HEADER = 16_384  # bytes of an npy header, which numpy writes with some hundred
_MOST_ENTRIES = 10_000  # of an npz archive


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
    text = one_line(error)
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
    budget = Budget(str(path), path.stat().st_size)
    with _reading(f"{path}: field 'data'"), h5py.File(path, "r") as file:
        entries = {}
        for key in keys:
            with _reading(f"{path}: field {key!r}"):
                entry = hdf5.find(file, key, str(path))
                if entry is not None:
                    _check_dataset(path, key, entry)
                    hdf5.check_declared(entry, key, budget)
                    entries[key] = entry
        found: dict[str, np.ndarray] = {}
        for key, entry in entries.items():
            with _reading(f"{path}: field {key!r}"):
                found[key] = np.asarray(entry[()])
        return found


def _check_dataset(path: Path, key: str, entry: Any) -> None:
    if not isinstance(entry, h5py.Dataset) or entry.shape is None:
        raise refusal(str(path), key, "is no array", "store a dataset of numbers under this name")
    if entry.dtype.kind not in "biuf":
        raise refusal(
            str(path),
            key,
            f"has dtype {entry.dtype} from index 0 on, numbers are needed",
            "store plain arrays",
        )
    if entry.size and entry.id.get_storage_size() == 0 and not entry.is_virtual:
        # HDF5 would read it as zeros: whoever reserved the space was interrupted before writing.
        raise refusal(str(path), key, "was never written, from index 0 on", "get the file again")


def _read_npz(path: Path, keys: list[str]) -> dict[str, np.ndarray]:
    budget = Budget(str(path), path.stat().st_size)
    with _reading(f"{path}: field 'data'"), path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise InputError(f"{path}: field 'data' is no npz archive; write it with numpy.savez.")
        _check_entries(path, file)
        with zipfile.ZipFile(file) as archive:
            members = {name.removesuffix(".npy"): name for name in archive.namelist()}
            wanted = [key for key in keys if key in members]
            for key in wanted:
                with _reading(f"{path}: field {key!r}"):
                    _check_member(key, archive, archive.getinfo(members[key]), budget)
            found: dict[str, np.ndarray] = {}
            for key in wanted:
                with _reading(f"{path}: field {key!r}"), archive.open(members[key]) as member:
                    found[key] = np.lib.format.read_array(member, allow_pickle=False)
            return found


def _check_entries(path: Path, file: Any) -> None:
    """Each entry of a zip archive begins with the same mark, which the reader would make an object for."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        marks = itertools.islice(re.finditer(b"PK\x01\x02", content), _MOST_ENTRIES + 1)
        if sum(1 for _ in marks) > _MOST_ENTRIES:
            raise refusal(str(path), "data", f"lists more than {_MOST_ENTRIES} arrays", "join them")


def _check_member(key: str, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, budget: Budget) -> None:
    """The header of an array says what the archive says of it, and both fit into memory."""
    source = budget.source
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise refusal(source, key, "is compressed by another method than deflate", "use savez_compressed")
    with archive.open(entry) as member:
        start = io.BytesIO(member.read(_LONGEST_HEADER))
    version = np.lib.format.read_magic(start)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise refusal(source, key, f"is of version {version} of the npy format", "store it with numpy.savez")
    shape, _, dtype = read(start)
    if dtype.hasobject:
        raise refusal(
            source, key, "holds pickled objects from index 0 on, which are not opened", "store plain arrays"
        )
    declared, held = math.prod(shape) * dtype.itemsize, entry.file_size - start.tell()
    budget.spend(key, declared)
    if declared != held:
        raise refusal(
            source, key, f"declares {declared} bytes by shape {shape}, but holds {held}", "get the file again"
        )


READERS: dict[str, Callable[[Path, list[str]], dict[str, np.ndarray]]] = {
    ".hdf5": _read_hdf5,
    ".h5": _read_hdf5,
    ".npz": _read_npz,
}
