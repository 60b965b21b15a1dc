"""Episodes to files that `data.sources` reads back, all or nothing."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from rankq_jax import files
from rankq_jax.data.episodes import last_rows
from rankq_jax.data.observations import named
from rankq_jax.data.sources import columns
from rankq_jax.data.sources.containers import cause
from rankq_jax.errors import InputError, suggestion
from rankq_jax.specs import entries
from rankq_jax.types import Episodes

Arrays = dict[str, np.ndarray]


def arrays(episodes: Episodes, source: str) -> Arrays:
    """Every row as it is, with `next_observations` and `episode_id`. Loses nothing.

    Args:
      episodes: any.
      source: not used.
    """
    return {
        **_shared(episodes),
        **named("next_observations", episodes.next_observation),
        "rewards": episodes.reward,
        "terminals": episodes.terminated,
        "timeouts": episodes.truncated,
        "episode_id": episodes.episode,
        "infos/success": episodes.success,
    }


def d4rl(episodes: Episodes, source: str) -> Arrays:
    """D4RL's schema. Each episode is followed by a surplus row, a timeout, with its final observation.

    Readers drop such a row, and it gives the last transition its true next observation, terminal or not.
    An episode that ends by neither flag is read as truncated.

    Args:
      episodes: whose terminals and truncations are at ends of episodes alone.
      source: what messages begin with.

    Raises:
      InputError: if they are not, or an episode's next observations are not its following observations.
    """
    last = last_rows(episodes)
    early = (episodes.terminated | episodes.truncated) & ~last
    if early.any():
        raise columns.refusal(
            source,
            "terminals",
            f"or 'timeouts' is set at index {int(np.argmax(early))}, before its episode ends",
            "use the format 'arrays'",
        )
    _check_contiguous(episodes, source)
    rows, surplus = _with_final_rows(last)
    return {
        **_shared_with_final(episodes, rows, surplus),
        "rewards": episodes.reward[rows],
        "terminals": episodes.terminated[rows] & ~surplus,
        "timeouts": surplus,
        "infos/success": episodes.success[rows] & ~surplus,
    }


def ogbench(episodes: Episodes, source: str) -> Arrays:
    """OGBench's layout: `terminals` on a surplus row with the final observation of each episode.

    It has no rewards, and terminals, time limits and successes are lost too: a task relabels what it reads.

    Args:
      episodes: any.
      source: what messages begin with.

    Raises:
      InputError: if an episode's next observations are not its following observations.
    """
    _check_contiguous(episodes, source)
    rows, surplus = _with_final_rows(last_rows(episodes))
    named = _shared_with_final(episodes, rows, surplus)
    return {**{key.removeprefix("infos/"): array for key, array in named.items()}, "terminals": surplus}


LAYOUTS: dict[str, Callable[[Episodes, str], Arrays]] = {"d4rl": d4rl, "arrays": arrays, "ogbench": ogbench}
SUFFIXES = {".npz": ("arrays", "d4rl", "ogbench"), ".hdf5": ("d4rl", "arrays"), ".h5": ("d4rl", "arrays")}


def check_target(path: Path, layout: str | None = None) -> str:
    """Refuses a file that cannot be written, before anything is computed for it.

    Args:
      path: of the file.
      layout: name in `LAYOUTS`; None for the usual one of the suffix.

    Returns:
      The layout.

    Raises:
      InputError: if the file exists, its folder does not, or suffix and layout do not go together.
    """
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path}: unknown suffix {path.suffix!r}; use one of {', '.join(SUFFIXES)}.")
    layout = layout or SUFFIXES[path.suffix][0]
    if layout not in LAYOUTS:
        raise InputError(f"format {layout!r}: unknown.{suggestion(layout, LAYOUTS)}")
    if layout not in SUFFIXES[path.suffix]:
        raise InputError(f"{path}: the format {layout} is not kept in {path.suffix}; use .npz.")
    if path.exists():
        raise InputError(f"{path}: exists already; delete it or choose another name.")
    if not path.parent.is_dir():
        raise InputError(f"{path}: its folder does not exist; make it.")
    return layout


def write(episodes: Episodes, path: Path, layout: str | None = None) -> None:
    """Writes a file, all or nothing.

    Args:
      episodes: at least one row.
      path: of the file, which must not exist.
      layout: see `check_target`.

    Raises:
      InputError: as `check_target` and the layouts, and if the disk refuses the file.
    """
    path = Path(path)
    layout = check_target(path, layout)
    content = LAYOUTS[layout](episodes, str(path))
    whole = npz_bytes(content) if path.suffix == ".npz" else hdf5_bytes(lambda file: _fill(file, content))
    try:
        with files.atomic(path) as file:
            file.write(whole)
            check_target(path, layout)  # another process may have made it meanwhile
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({cause(error)}); free the disk or choose another."
        ) from error


def npz_bytes(content: Mapping[str, np.ndarray]) -> memoryview:
    """An npz archive of arrays. It is made in memory, because zipfile reports a full disk by other errors."""
    memory = io.BytesIO()
    np.savez(memory, **content)  # type: ignore[arg-type]
    return memory.getbuffer()


def hdf5_bytes(fill: Callable[[Any], object], track_order: bool = False) -> memoryview:
    """An HDF5 file. It is made in memory, because HDF5 ends the process when a disk becomes full under it.

    Args:
      fill: puts the content into an open file of h5py.
      track_order: whether groups are listed in the order in which they were made.
    """
    memory = io.BytesIO()
    with h5py.File(memory, "w", track_order=track_order) as file:
        fill(file)
    return memory.getbuffer()


def _fill(file: Any, content: Mapping[str, np.ndarray]) -> None:
    for key, array in content.items():
        file.create_dataset(key, data=array)


def _shared(episodes: Episodes) -> Arrays:
    infos = {f"infos/{name}": array for name, array in episodes.info.items()}
    return {**named("observations", episodes.observation), "actions": episodes.action, **infos}


def _shared_with_final(episodes: Episodes, rows: np.ndarray, surplus: np.ndarray) -> Arrays:
    taken = {key: array[rows] for key, array in _shared(episodes).items()}
    last = last_rows(episodes)
    for key, final in named("observations", episodes.next_observation).items():
        taken[key][surplus] = final[last]
    taken["actions"][surplus] = 0.0
    return taken


def _with_final_rows(last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`[N]` rows to take, the last of each episode twice, and `[N]` bool, where the second of these is."""
    rows = np.repeat(np.arange(len(last)), 1 + last)
    return rows, np.append(False, rows[1:] == rows[:-1])


def _check_contiguous(episodes: Episodes, source: str) -> None:
    inside = ~last_rows(episodes)[:-1]
    following = named("next_observations", episodes.next_observation)
    for (key, after), here in zip(following.items(), entries(episodes.observation).values(), strict=True):
        differs = (after[:-1] != here[1:]).reshape(len(inside), -1).any(axis=1) & inside
        if differs.any():
            raise columns.refusal(
                source,
                key,
                f"at index {int(np.argmax(differs))} is not the following observation",
                "use the format 'arrays'",
            )
