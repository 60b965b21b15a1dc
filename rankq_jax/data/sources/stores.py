"""What readers ask of a container of arrays, whether it is a file or in memory."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np


class Declared(NamedTuple):
    """What a container says of an array before it is read."""

    shape: tuple[int, ...]
    dtype: np.dtype


class Store(Protocol):
    """Arrays by name; `infos/qpos` is the array `qpos` of the group `infos`.

    Attributes:
      source: what messages begin with.
      container: `hdf5`, `npz` or `arrays`.
    """

    source: str
    container: str

    def names(self, group: str = "") -> list[str]:
        """The arrays and groups directly within a group; none where there is no such group."""

    def declared(self, key: str) -> Declared | None:
        """Shape and type of an array; None where there is no array of that name.

        Raises:
          InputError: if the container is damaged there.
        """

    def read(self, keys: Iterable[str]) -> dict[str, np.ndarray]:
        """Those of `keys` that there are. All sizes are checked before the first array is made.

        Raises:
          InputError: if an entry is damaged, is no plain array, or declares more than fits into memory.
        """


class ArrayStore:
    """Arrays that a program holds, as a store; mappings within the mapping are groups."""

    container = "arrays"

    def __init__(self, arrays: Mapping[str, Any], source: str) -> None:
        """Takes the arrays as they are.

        Args:
          arrays: by name.
          source: what messages begin with.
        """
        self.source, self._arrays = source, flattened(arrays)

    def names(self, group: str = "") -> list[str]:
        """As `Store.names`."""
        return within(self._arrays, group)

    def declared(self, key: str) -> Declared | None:
        """As `Store.declared`."""
        array = self._arrays.get(key)
        return None if array is None else Declared(array.shape, array.dtype)

    def read(self, keys: Iterable[str]) -> dict[str, np.ndarray]:
        """As `Store.read`; nothing is copied."""
        return {key: self._arrays[key] for key in keys if key in self._arrays}


def flattened(arrays: Mapping[str, Any], place: str = "") -> dict[str, np.ndarray]:
    """Nested mappings as one, with slashes between the names."""
    found: dict[str, np.ndarray] = {}
    for name, value in arrays.items():
        if isinstance(value, Mapping):
            found |= flattened(value, f"{place}{name}/")
        else:
            found[f"{place}{name}"] = np.asarray(value)
    return found


def within(names: Iterable[str], group: str) -> list[str]:
    """What lies directly within a group, of the names of all arrays, each once."""
    start = f"{group}/" if group else ""
    inner = (name.removeprefix(start) for name in names if name.startswith(start))
    return list(dict.fromkeys(name.split("/")[0] for name in inner))
