"""Loaders: each reads one format and returns `Episodes` with raw rewards."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax

from rankq_jax.data.episodes import concatenate
from rankq_jax.data.recording import SUCCESS_FLAGS, Origin, Recording
from rankq_jax.data.sources import containers, observations
from rankq_jax.data.sources.arrays import load_arrays
from rankq_jax.data.sources.minari import dataset_folder, is_folder, load_minari, read_minari
from rankq_jax.errors import InputError
from rankq_jax.types import Episodes

__all__ = [
    "FORMATS",
    "PICKLES",
    "check_alike",
    "load",
    "load_each",
    "load_minari",
    "load_one",
    "names",
    "origin",
    "read_each",
    "read_one",
]

# Further formats by the suffix of their files, `path -> Episodes`; see `registry.register_dataset_format`.
FORMATS: dict[str, Callable[[Path], Episodes]] = {}
PICKLES = (".npy", ".pickle", ".pkl")  # suffixes of what only the conversion opens


def names(dataset: str) -> list[str]:
    """The sources that a comma-separated list names.

    Raises:
      InputError: if there is none, or one of them is empty.
    """
    found = [name.strip() for name in dataset.split(",")]
    if "" in found:
        raise InputError(f"dataset {dataset!r}: names nothing; give files, folders or Minari names.")
    return found


def origin(name: str) -> str:
    """What messages about a source begin with: the path of its file or folder.

    Raises:
      InputError: if `MINARI_DATASETS_PATH` is wrong.
    """
    path = Path(name)
    if path.suffix in (*containers.READERS, *FORMATS, *PICKLES) or is_folder(path):
        return str(path)
    return str(dataset_folder(name))


def load_one(
    name: str,
    observation_size: int | None = None,
    simulator_state: bool = False,
    resolve: str | None = None,
) -> Episodes:
    """The episodes of `read_one`; its arguments and errors."""
    return read_one(name, observation_size, simulator_state, resolve).episodes


def read_one(
    name: str,
    observation_size: int | None = None,
    simulator_state: bool = False,
    resolve: str | None = None,
    like: Any = None,
) -> Recording:
    """One source as it was recorded; its name says what reads it.

    Args:
      name: an HDF5 file (`.hdf5`, `.h5`) of the D4RL schema, an `.npz` file of OGBench or of that schema, a
        folder of a Minari dataset, or a Minari name, which is downloaded where it is not on disk.
      observation_size: see `load_minari`.
      simulator_state: whether `types.SIMULATOR_STATE` is kept in `info`, as far as it is recorded.
      resolve: see `arrays.recording`.
      like: the specification of one observation where that is no vector; None: it is one.

    Raises:
      InputError: if it is missing, damaged or of another format; names the file, the field and the index.
    """
    path = Path(name)
    if path.suffix in PICKLES:
        raise InputError(
            f"{path}: pickled files are not opened here, because a pickle can run code; convert it once by "
            f"`rankq dataset convert --from={path} --to={path.with_suffix('.npz')}`."
        )
    if path.suffix in FORMATS:
        return Recording(FORMATS[path.suffix](path), Origin(success=SUCCESS_FLAGS))
    if path.suffix in containers.READERS:
        return load_arrays(path, simulator_state, resolve, like)
    return read_minari(name, observation_size, simulator_state, like)


def load_each(
    dataset: str, observation_size: int | None = None, simulator_state: bool = False
) -> Iterator[tuple[str, Episodes]]:
    """The episodes of `read_each`; its arguments and errors."""
    for source, found in read_each(dataset, observation_size, simulator_state):
        yield source, found.episodes


def read_each(
    dataset: str, observation_size: int | None = None, simulator_state: bool = False, like: Any = None
) -> Iterator[tuple[str, Recording]]:
    """Each source of a list with its origin, one at a time, so that a reading can be applied to each.

    Args:
      dataset: as `load`.
      observation_size: as `load_one`.
      simulator_state: as `load_one`.
      like: as `read_one`.

    Raises:
      InputError: as `load_one`, and if a source's observations or actions differ in size from the first's.
    """
    before: list[tuple[str, Episodes]] = []
    for name in names(dataset):
        source, found = origin(name), read_one(name, observation_size, simulator_state, like=like)
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

    def sizes(episodes: Episodes) -> dict[str, int]:
        columns = {**observations.named("observation", episodes.observation), "action": episodes.action}
        columns |= {f"infos/{name}": value for name, value in episodes.info.items()}
        return {name: value.shape[1] for name, value in columns.items()}

    for source, episodes in parts[1:]:
        first = sizes(parts[0][1])
        for field, size in sizes(episodes).items():
            if size != first.get(field, size):
                raise InputError(
                    f"{source}: field {field!r} has {size} values per step from index 0 on, {parts[0][0]} "
                    f"has {first[field]}; choose datasets of one task."
                )


def load(dataset: str, observation_size: int | None = None, simulator_state: bool = False) -> Episodes:
    """One or several sources, one after another, as they were recorded.

    Args:
      dataset: comma-separated names, see `load_one`.
      observation_size: as `load_one`.
      simulator_state: as `load_one`; kept are the arrays that every source has.

    Returns:
      Episodes numbered from 0, rewards raw, observations in the type of the file.

    Raises:
      InputError: as `load_each`.
    """
    return concatenate([episodes for _, episodes in load_each(dataset, observation_size, simulator_state)])
