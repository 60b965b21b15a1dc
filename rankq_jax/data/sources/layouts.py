"""The layouts of arrays that are read, each known by the names in its store."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from rankq_jax.data.recording import Recording
from rankq_jax.data.sources import arrays, d3rlpy, imitation, neorl, ogbench, robomimic
from rankq_jax.data.sources.selection import Wanted
from rankq_jax.data.sources.stores import ArrayStore, Store
from rankq_jax.errors import InputError


class Layout(NamedTuple):
    """How arrays of one kind of dataset are named.

    Attributes:
      name: in words.
      fits: whether a store is of this layout; what an earlier one of `LAYOUTS` fits is not asked about.
      read: its recording.
    """

    name: str
    fits: Callable[[Store], bool]
    read: Callable[[Store, Wanted], Recording]


def _is_a_part(store: Store) -> bool:
    return "episode_0" in store.names()


def _refuse_part(store: Store, wanted: Wanted) -> Recording:
    raise InputError(
        f"{store.source}: is a part of a Minari dataset; give its folder, which has data/metadata.json."
    )


LAYOUTS = (
    Layout("robomimic", robomimic.fits, robomimic.read),
    Layout("d3rlpy, version 2", d3rlpy.fits_second, d3rlpy.read_second),
    Layout("NeoRL-2", neorl.fits, neorl.read),
    Layout("imitation", imitation.fits, imitation.read),
    Layout("Stable-Baselines", imitation.fits_expert, imitation.read_expert),
    Layout("d3rlpy, version 1", d3rlpy.fits_first, d3rlpy.read_first),
    Layout("Minari's main_data.hdf5", _is_a_part, _refuse_part),
    Layout("OGBench", ogbench.fits, ogbench.read),
    Layout("flat arrays (D4RL)", arrays.fits, arrays.read),
)


def of(store: Store) -> Layout:
    """The layout of a store."""
    return next(layout for layout in LAYOUTS if layout.fits(store))


def read(store: Store, wanted: Wanted) -> Recording:
    """The recording of a store, by its layout.

    Raises:
      InputError: if the store is damaged or its arrays do not belong together.
    """
    return of(store).read(store, wanted)


def read_mapping(found: Mapping[str, Any], wanted: Wanted, source: str = "arrays") -> Recording:
    """The recording of arrays that a program holds; its errors are those of `read`."""
    return read(ArrayStore(found, source), wanted)
