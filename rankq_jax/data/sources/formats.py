"""The formats that are read, recognized by content; by suffix only where the content cannot say."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from rankq_jax.data.recording import SUCCESS_FLAGS, Origin, Recording
from rankq_jax.data.sources import containers, described, layouts, lerobot, minari, trajectories
from rankq_jax.data.sources.selection import Wanted
from rankq_jax.types import Episodes


class Format(NamedTuple):
    """A kind of file or folder that holds a dataset.

    Attributes:
      name: in words.
      recognize: whether a path that exists is of this kind.
      read: the recording of one, see `sources.read_one`.
    """

    name: str
    recognize: Callable[[Path], bool]
    read: Callable[[Path, Wanted], Recording]


# Further formats by the suffix of their files, `path -> Episodes`; see `registry.register_dataset_format`.
REGISTERED: dict[str, Callable[[Path], Episodes]] = {}


def _holds_arrays(path: Path) -> bool:
    return path.is_file() and containers.container(path) != ""


def _named_as_arrays(path: Path) -> bool:
    """A damaged file is told from an unknown one by its name."""
    return path.is_file() and path.suffix in containers.SUFFIXES


def _read_arrays(path: Path, wanted: Wanted) -> Recording:
    with containers.opened(path) as store:
        return layouts.read(store, wanted)


def _is_registered(path: Path) -> bool:
    return path.suffix in REGISTERED


def _read_registered(path: Path, wanted: Wanted) -> Recording:
    return Recording(REGISTERED[path.suffix](path), Origin(success=SUCCESS_FLAGS))


def _read_minari(path: Path, wanted: Wanted) -> Recording:
    return minari.read_minari(str(path), wanted)


FORMATS = (
    Format("a registered format", _is_registered, _read_registered),
    Format("Minari", minari.is_folder, _read_minari),
    Format("LeRobot", lerobot.is_folder, lerobot.read),
    Format("arrays in HDF5 or npz", _holds_arrays, _read_arrays),
    Format("pickled trajectories", trajectories.is_pickled, trajectories.read),
    Format("a mapping file", described.is_mapping, described.read),
    Format("a damaged file of arrays", _named_as_arrays, _read_arrays),
)


def of(path: Path) -> Format | None:
    """The format of a path; None if it is of none."""
    return next((each for each in FORMATS if each.recognize(path)), None)
