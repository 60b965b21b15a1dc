"""HDF5 and npz files as stores of arrays. Nothing in them is ever executed."""

import contextlib
import io
import itertools
import math
import mmap
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from rankq_jax.data.sources import hdf5
from rankq_jax.data.sources.columns import refusal
from rankq_jax.data.sources.limits import Budget
from rankq_jax.data.sources.stores import Declared, Store, within
from rankq_jax.errors import InputError, one_line

SUFFIXES = (".hdf5", ".h5", ".npz")  # that files of these containers usually have
_LONGEST_CAUSE = 160
_LONGEST_HEADER = 16_384  # bytes of an npy header, which numpy writes with some hundred
_MOST_ENTRIES = 10_000  # of an npz archive
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")  # what an archive begins with, and an empty one


def cause(error: BaseException) -> str:
    """What went wrong, on one line of moderate length."""
    text = one_line(error)
    return text if len(text) <= _LONGEST_CAUSE else f"{text[:_LONGEST_CAUSE]}..."


@contextlib.contextmanager
def reading(place: str) -> Iterator[None]:
    """Whatever a library raises within it says that `place` cannot be read.

    Raises:
      InputError: in place of every other error, because damaged bytes come out of h5py, zipfile, numpy and
        pyarrow as almost any.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{place} cannot be read ({cause(error)}); the file is truncated or damaged, get it again."
        ) from error


def container(path: Path) -> str:
    """`hdf5` or `npz` by the first bytes of a file; empty if they are of neither."""
    with reading(f"{path}: field 'data'"):
        with path.open("rb") as file:
            start = file.read(4)
        return "npz" if start in _ZIP else "hdf5" if h5py.is_hdf5(path) else ""


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Store]:
    """A file of arrays as a store, as long as the context lasts.

    Args:
      path: of the file; by its suffix if its content is of no known kind.

    Raises:
      InputError: if there is no such file, or it is damaged.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path.")
    found = container(path) or ("npz" if path.suffix == ".npz" else "hdf5")
    with contextlib.ExitStack() as stack:
        with reading(f"{path}: field 'data'"):
            if found == "hdf5":
                store: Store = _Hdf5(path, stack.enter_context(h5py.File(path, "r")))
            else:
                store = _Npz(path, stack)
        yield store


def read(path: Path, keys: Iterable[str]) -> dict[str, np.ndarray]:
    """Those of `keys` that the file has, each as an array; the errors of `opened` and `Store`."""
    with opened(path) as store:
        return store.read(keys)


class _Hdf5:
    container = "hdf5"

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.source, self._file = str(path), file
        self._budget = Budget(self.source, path.stat().st_size)

    def names(self, group: str = "") -> list[str]:
        with reading(f"{self.source}: field {group or 'data'!r}"):
            entry = hdf5.find(self._file, group, self.source) if group else self._file
            return list(entry) if isinstance(entry, h5py.Group) else []

    def declared(self, key: str) -> Declared | None:
        with reading(f"{self.source}: field {key!r}"):
            entry = hdf5.find(self._file, key, self.source)
            if not isinstance(entry, h5py.Dataset) or entry.shape is None:
                return None
            return Declared(entry.shape, entry.dtype)

    def read(self, keys: Iterable[str]) -> dict[str, np.ndarray]:
        entries = {}
        for key in keys:
            with reading(f"{self.source}: field {key!r}"):
                entry = hdf5.find(self._file, key, self.source)
                if entry is not None:
                    _check_dataset(self.source, key, entry)
                    hdf5.check_declared(entry, key, self._budget)
                    entries[key] = entry
        found: dict[str, np.ndarray] = {}
        for key, entry in entries.items():
            with reading(f"{self.source}: field {key!r}"):
                found[key] = np.asarray(entry[()])
        return found


def _check_dataset(source: str, key: str, entry: Any) -> None:
    if not isinstance(entry, h5py.Dataset) or entry.shape is None:
        raise refusal(source, key, "is no array", "store a dataset of numbers under this name")
    if entry.dtype.kind not in "biuf":
        raise refusal(
            source, key, f"has dtype {entry.dtype} from index 0 on, numbers are needed", "store plain arrays"
        )
    if entry.size and entry.id.get_storage_size() == 0 and not entry.is_virtual:
        # HDF5 would read it as zeros: whoever reserved the space was interrupted before writing.
        raise refusal(source, key, "was never written, from index 0 on", "get the file again")


class _Npz:
    container = "npz"

    def __init__(self, path: Path, stack: contextlib.ExitStack) -> None:
        self.source = str(path)
        self._budget = Budget(self.source, path.stat().st_size)
        file = stack.enter_context(path.open("rb"))
        if not zipfile.is_zipfile(file):
            raise InputError(f"{path}: field 'data' is no npz archive; write it with numpy.savez.")
        _check_entries(path, file)
        self._archive = stack.enter_context(zipfile.ZipFile(file))
        self._members = {name.removesuffix(".npy"): name for name in self._archive.namelist()}

    def names(self, group: str = "") -> list[str]:
        return within(self._members, group)

    def declared(self, key: str) -> Declared | None:
        if key not in self._members:
            return None
        with reading(f"{self.source}: field {key!r}"):
            shape, dtype, _ = self._header(key)
            return Declared(shape, dtype)

    def read(self, keys: Iterable[str]) -> dict[str, np.ndarray]:
        wanted = [key for key in keys if key in self._members]
        for key in wanted:
            with reading(f"{self.source}: field {key!r}"):
                self._check(key)
        found: dict[str, np.ndarray] = {}
        for key in wanted:
            with (
                reading(f"{self.source}: field {key!r}"),
                self._archive.open(self._members[key]) as member,
            ):
                found[key] = np.lib.format.read_array(member, allow_pickle=False)
        return found

    def _header(self, key: str) -> tuple[tuple[int, ...], np.dtype, int]:
        """Shape and type of an array, and the bytes of it that the archive says it holds."""
        entry = self._archive.getinfo(self._members[key])
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise refusal(
                self.source, key, "is compressed by another method than deflate", "use savez_compressed"
            )
        with self._archive.open(entry) as member:
            start = io.BytesIO(member.read(_LONGEST_HEADER))
        version = np.lib.format.read_magic(start)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read_header is None:
            raise refusal(
                self.source, key, f"is of version {version} of the npy format", "store it with numpy.savez"
            )
        shape, _, dtype = read_header(start)
        return shape, dtype, entry.file_size - start.tell()

    def _check(self, key: str) -> None:
        """The header of an array says what the archive says of it, and both fit into memory."""
        shape, dtype, held = self._header(key)
        if dtype.hasobject:
            raise refusal(
                self.source,
                key,
                "holds pickled objects from index 0 on, which are not opened",
                "store plain arrays",
            )
        declared = math.prod(shape) * dtype.itemsize
        self._budget.spend(key, declared)
        if declared != held:
            raise refusal(
                self.source,
                key,
                f"declares {declared} bytes by shape {shape}, but holds {held}",
                "get the file again",
            )


def _check_entries(path: Path, file: Any) -> None:
    """Each entry of a zip archive begins with the same mark, which the reader would make an object for."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        marks = itertools.islice(re.finditer(b"PK\x01\x02", content), _MOST_ENTRIES + 1)
        if sum(1 for _ in marks) > _MOST_ENTRIES:
            raise refusal(str(path), "data", f"lists more than {_MOST_ENTRIES} arrays", "join them")
