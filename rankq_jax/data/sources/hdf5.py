"""What an untrusted HDF5 file declares, looked at before HDF5 believes it."""

import math
import zlib
from pathlib import Path
from typing import Any

import h5py
from h5py import h5z

from rankq_jax.data.sources import columns
from rankq_jax.data.sources.limits import SMALL, Budget

_MOST_LINKS = 8  # on the way to an entry
_DEEPEST = 16  # groups in groups
_MOST_DEFLATED = 1_032  # bytes that one byte of deflate can stand for
_FILTERS = {
    (*shuffled, *packed)
    for shuffled in ((), (h5z.FILTER_SHUFFLE,))
    for packed in ((), (h5z.FILTER_DEFLATE,), (h5z.FILTER_LZF,))
}


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
            raise columns.refusal(source, key, "is a link to another file", "copy it into the file")
        name, parts = parts[0], parts[1:]
        if isinstance(link, h5py.SoftLink):
            links += 1
            if links > _MOST_LINKS:
                raise columns.refusal(
                    source, key, f"is reached by more than {_MOST_LINKS} links", "repair the file"
                )
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
        raise columns.refusal(
            budget.source, key, "has its numbers in another file", "copy them into this one"
        )
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
        raise columns.refusal(
            budget.source, key, f"is stored by filters {names}", "store it by gzip or plainly"
        )
    if h5z.FILTER_DEFLATE not in names:
        return
    for index in range(entry.id.get_num_chunks()):
        chunk = entry.id.get_chunk_info(index)
        skipped = chunk.filter_mask >> names.index(h5z.FILTER_DEFLATE) & 1
        if chunk.size * _MOST_DEFLATED <= SMALL or skipped:
            continue  # cannot burst
        content = entry.id.read_direct_chunk(chunk.chunk_offset)[1]  # perhaps with a checksum behind
        if len(zlib.decompressobj().decompress(content, declared + 64)) > declared + 4:
            raise columns.refusal(
                budget.source, key, "has a chunk that holds more than it declares", "get it again"
            )


def check_tree(path: Path, budget: Budget) -> int:
    """Checks every array of a file, as whoever reads all of it will make them.

    Args:
      path: of the file.
      budget: that they are counted against.

    Returns:
      The number of entries of its first level.

    Raises:
      InputError: as `check_declared`, and if a link leads to another place or groups lie in themselves.
    """
    with h5py.File(path, "r") as file:
        waiting: list[tuple[str, h5py.Group, int]] = [("", file, 0)]
        while waiting:
            place, group, depth = waiting.pop()
            for name in group:
                key = f"{place}{name}"
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    raise columns.refusal(
                        budget.source, key, "is a link to another place", "copy what it leads to"
                    )
                entry = group[name]
                if isinstance(entry, h5py.Dataset):
                    check_declared(entry, key, budget)
                elif depth == _DEEPEST:
                    raise columns.refusal(
                        budget.source, key[:80], f"is deeper than {_DEEPEST} groups", "repair the file"
                    )
                elif isinstance(entry, h5py.Group):
                    waiting.append((f"{key}/", entry, depth + 1))
        return len(file)
