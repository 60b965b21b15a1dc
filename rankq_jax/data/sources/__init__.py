"""Loaders: each reads one format and returns `Episodes` with raw rewards."""

import os
from collections.abc import Iterator, Sequence
from typing import Any

import jax

from rankq_jax.data.episodes import concatenate
from rankq_jax.data.observations import named
from rankq_jax.data.recording import Recording
from rankq_jax.data.sources import formats, paths
from rankq_jax.data.sources.formats import REGISTERED
from rankq_jax.data.sources.minari import dataset_folder, fetched, load_minari, read_minari
from rankq_jax.data.sources.paths import names
from rankq_jax.data.sources.selection import Wanted, keys_of
from rankq_jax.errors import InputError
from rankq_jax.types import Episodes

__all__ = [
    "REGISTERED",
    "Wanted",
    "check_alike",
    "fetch",
    "load",
    "load_each",
    "load_minari",
    "load_one",
    "names",
    "origin",
    "read_each",
    "read_one",
]

# Of paths, when there is nothing there: with another one a name is that of a Minari dataset.
SUFFIXES = (".hdf5", ".h5", ".npz", ".npy", ".pickle", ".pkl", ".parquet", ".yaml", ".yml", ".json")


def _is_path(name: str) -> bool:
    path = paths.located(name)
    if path.is_dir() and formats.of(path) is None and (dataset_folder(name) / "data").is_dir():
        return False  # a folder that is called like a Minari dataset
    return os.path.exists(path) or path.suffix in (*SUFFIXES, *REGISTERED)


def origin(name: str) -> str:
    """What messages about a source begin with: the path of its file or folder.

    Raises:
      InputError: if `MINARI_DATASETS_PATH` is wrong.
    """
    return str(paths.located(name)) if _is_path(name) else str(dataset_folder(name))


def fetch(dataset: str) -> None:
    """Downloads the Minari datasets of a list that are not on disk.

    Raises:
      InputError: if one cannot be downloaded, or a name is empty.
    """
    for name in names(dataset):
        if not _is_path(name):
            fetched(name)


def load_one(name: str, wanted: Wanted | None = None) -> Episodes:
    """The episodes of `read_one`; its arguments and errors."""
    return read_one(name, wanted).episodes


def read_one(name: str, wanted: Wanted | None = None) -> Recording:
    """One source as it was recorded; its content says what reads it.

    Args:
      name: a file or folder of one of `formats.FORMATS`, or a Minari name, which is downloaded where it is
        not on disk.
      wanted: what is kept of it; None: the observation.

    Raises:
      InputError: if it is missing, damaged or of another format; names the file, the field and the index.
    """
    path, wanted = paths.located(name), wanted or Wanted()
    if not _is_path(name):
        return read_minari(name, wanted)
    found = formats.of(path)
    if around := paths.dataset_around(path) if not path.is_dir() or found is None else None:
        raise paths.within(path, around)
    if found is not None:
        return found.read(path, wanted)
    if not os.path.exists(path):
        raise InputError(f"{path}: no such file; check the path.")
    raise paths.unknown(path)


def load_each(dataset: str, wanted: Wanted | None = None) -> Iterator[tuple[str, Episodes]]:
    """The episodes of `read_each`; its arguments and errors."""
    for source, found in read_each(dataset, wanted):
        yield source, found.episodes


def read_each(dataset: str, wanted: Wanted | None = None) -> Iterator[tuple[str, Recording]]:
    """Each source of a list with its origin, one at a time, so that a reading can be applied to each.

    Args:
      dataset: as `load`.
      wanted: as `read_one`.

    Raises:
      InputError: as `read_one`, and if a source's observations or actions differ in size from the first's.
    """
    before: list[tuple[str, Episodes]] = []
    for name in names(dataset):
        source, found = origin(name), read_one(name, wanted)
        check_alike([*before, (source, found.episodes)])
        # Without its rows: whoever reads one source after another need not hold them all.
        before = before or [(source, jax.tree.map(lambda leaf: leaf[:0].copy(), found.episodes))]
        yield source, found


def check_alike(parts: Sequence[tuple[str, Episodes]]) -> None:
    """All sources describe steps of one size.

    Args:
      parts: origins and what was read from them.

    Raises:
      InputError: names the first source that differs from the one before all.
    """

    def sizes(episodes: Episodes) -> dict[str, Any]:
        columns = {**named("observation", episodes.observation), "action": episodes.action}
        columns |= {f"infos/{name}": value for name, value in episodes.info.items()}
        shapes = {name: value.shape[1:] for name, value in columns.items()}
        return {name: shape[0] if len(shape) == 1 else shape for name, shape in shapes.items()}

    for source, episodes in parts[1:]:
        first = sizes(parts[0][1])
        for field, size in sizes(episodes).items():
            if size != first.get(field, size):
                raise InputError(
                    f"{source}: field {field!r} has {size} values per step from index 0 on, {parts[0][0]} "
                    f"has {first[field]}; choose datasets of one task."
                )


def load(
    dataset: str,
    observation_size: int | None = None,
    simulator_state: bool = False,
    keys: str = "",
) -> Episodes:
    """One or several sources, one after another, as they were recorded.

    Args:
      dataset: comma-separated names, see `read_one`.
      observation_size: see `Wanted`.
      simulator_state: see `Wanted`; kept are the arrays that every source has.
      keys: names of the observations that are joined to one vector, with commas or plus signs between.

    Returns:
      Episodes numbered from 0, rewards raw, observations in the type of the file.

    Raises:
      InputError: as `load_each`.
    """
    wanted = Wanted(observation_size, simulator_state, keys=keys_of(keys))
    return concatenate([episodes for _, episodes in load_each(dataset, wanted)])
