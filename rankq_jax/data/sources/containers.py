"""HDF5 and npz files as dictionaries of arrays. Nothing in them is ever executed."""

import contextlib
import io
import itertools
import math
import mmap
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5z

from rankq_jax.data.sources.columns import refusal
from rankq_jax.data.sources.limits import SMALL, Budget
from rankq_jax.errors import InputError

_LONGEST_CAUSE = 160
_LONGEST_HEADER = 16_384  # bytes of an npy header, which numpy writes with some hundred
_MOST_ENTRIES = 10_000  # of an npz archive
_MOST_LINKS = 8  # on the way to an entry of an HDF5 file
_MOST_DEFLATED = 1_032  # bytes that one byte of deflate can stand for
_FILTERS = {
    (*shuffled, *packed)
    for shuffled in ((), (h5z.FILTER_SHUFFLE,))
    for packed in ((), (h5z.FILTER_DEFLATE,), (h5z.FILTER_LZF,))
}


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
    budget = Budget(str(path), path.stat().st_size)
    with _reading(f"{path}: field 'data'"), h5py.File(path, "r") as file:
        entries = {}
        for key in keys:
            with _reading(f"{path}: field {key!r}"):
                entry = find(file, key, str(path))
                if entry is not None:
                    _check_dataset(path, key, entry)
                    check_declared(entry, key, budget)
                    entries[key] = entry
        found: dict[str, np.ndarray] = {}
        for key, entry in entries.items():
            with _reading(f"{path}: field {key!r}"):
                found[key] = np.asarray(entry[()])
        return found


def find(file: h5py.Group, key: str, source: str) -> Any:
    """The entry of an HDF5 file, or None; links inside the file are followed by hand, others refused.

    Raises:
      InputError: if a link leads to another file, or many lead to each other.
    """
    group, parts, links = file, key.split("/"), 0
    while parts:
        if not isinstance(group, h5py.Group):
            return None
        link = group.get(parts[0], getlink=True)
        if link is None:
            return None
        if isinstance(link, h5py.ExternalLink):
            raise refusal(source, key, "is a link to another file", "copy it into the file")
        name, parts = parts[0], parts[1:]
        if isinstance(link, h5py.SoftLink):
            links += 1
            if links > _MOST_LINKS:
                raise refusal(source, key, f"is reached by more than {_MOST_LINKS} links", "repair the file")
            group = file if link.path.startswith("/") else group
            parts = [part for part in link.path.split("/") if part not in ("", ".")] + parts
        else:
            group = group[name]
    return group


def check_declared(entry: h5py.Dataset, key: str, budget: Budget) -> None:
    """What an HDF5 array declares fits into memory, and its bytes are in its own file.

    Raises:
      InputError: if they are elsewhere, or it declares too much.
    """
    if entry.is_virtual or entry.external:
        raise refusal(budget.source, key, "has its numbers in another file", "copy them into this one")
    size = math.prod(entry.shape or ()) * entry.dtype.itemsize
    # HDF5 makes whole chunks, and nothing in the file keeps them from being larger than the array.
    chunk = math.prod(entry.chunks) * entry.dtype.itemsize if entry.chunks else 0
    budget.spend(key, max(size, chunk))
    if entry.chunks and entry.size:
        _check_chunks(entry, key, budget, chunk)


def _check_chunks(entry: h5py.Dataset, key: str, budget: Budget, declared: int) -> None:
    """No chunk holds more than it declares: HDF5 believes a compressed one whatever comes out of it."""
    plist = entry.id.get_create_plist()
    names = [plist.get_filter(index)[0] for index in range(plist.get_nfilters())]
    if (
        tuple(name for name in names if name != h5z.FILTER_FLETCHER32) not in _FILTERS
        or names.count(h5z.FILTER_FLETCHER32) > 1
    ):
        raise refusal(budget.source, key, f"is stored by filters {names}", "store it by gzip or plainly")
    if h5z.FILTER_DEFLATE not in names:
        return
    for index in range(entry.id.get_num_chunks()):
        chunk = entry.id.get_chunk_info(index)
        skipped = chunk.filter_mask >> names.index(h5z.FILTER_DEFLATE) & 1
        if chunk.size * _MOST_DEFLATED <= SMALL or skipped:
            continue  # cannot burst
        content = entry.id.read_direct_chunk(chunk.chunk_offset)[1]  # perhaps with a checksum behind
        if len(zlib.decompressobj().decompress(content, declared + 64)) > declared + 4:
            raise refusal(budget.source, key, "has a chunk that holds more than it declares", "get it again")


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
    if entry.size and entry.id.get_storage_size() == 0:
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
