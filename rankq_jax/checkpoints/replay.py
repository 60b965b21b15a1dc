"""Rows of replay buffers on disk, each written once.

A buffer of a million rows is hundreds of megabytes, of which a few have changed since the last checkpoint. So
rows lie beside the checkpoints, in segments: a checkpoint writes those that are new, and names all that its
buffers consist of.
"""

import concurrent.futures
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp

from rankq_jax import files


class Rows(NamedTuple):
    """Consecutive rows of the buffers of S seeds.

    Attributes:
      first: `[S]`, number of each seed's first row here; a run numbers the rows of a seed from 0.
      data: for each seed a pytree with leaves `[n, ...]`; n may be 0.
    """

    first: np.ndarray
    data: Sequence[Any]

    @property
    def end(self) -> np.ndarray:
        """`[S]`, number of the row that follows each seed's last one here."""
        counts = [len(jax.tree.leaves(rows)[0]) for rows in self.data]
        return np.asarray(self.first, np.int64) + np.asarray(counts, np.int64)


class ReplaySnapshot(NamedTuple):
    """What the replay buffers of S seeds hold, to be read as far as it is needed.

    Attributes:
      oldest: `[S]`, number of the oldest row of each seed.
      since: `first [S] -> Rows` from these numbers on, as far as they are still held.
    """

    oldest: np.ndarray
    since: Callable[[np.ndarray], Rows]


class Segment(NamedTuple):
    """A file of rows, as a checkpoint names it: for each seed those from `first` up to but not `end`."""

    name: str
    first: list[int]
    end: list[int]


def needed(segments: Iterable[Segment], oldest: np.ndarray) -> list[Segment]:
    """The segments with a row that is not older than `oldest` `[S]`."""
    return [one for one in segments if (np.asarray(one.end) > np.maximum(one.first, oldest)).any()]


def arrays(rows: Rows) -> dict[str, np.ndarray]:
    """What the file of a segment holds."""
    return {
        f"seed{seed}/leaf{index}": leaf
        for seed, data in enumerate(rows.data)
        for index, leaf in enumerate(jax.tree.leaves(data))
    }


def read(folder: Path, segment: Segment, like: Any) -> Rows:
    """The rows of a segment.

    Args:
      folder: of the segments.
      segment: which one.
      like: a pytree with the leaves' structure, types and trailing shapes.

    Raises:
      OSError: if the file is missing.
      ValueError: if it is damaged, or its rows are others than the checkpoint says.
      BadZipFile: if it is damaged.
    """
    leaves, structure = jax.tree.flatten(like)
    data = []
    # Opened here, because numpy leaves a file open that turns out to be damaged.
    with (folder / segment.name).open("rb") as file, np.load(file) as found:
        for seed, (first, end) in enumerate(zip(segment.first, segment.end, strict=True)):
            # Reading a member compares it with the checksum beside it.
            values = [found[f"seed{seed}/leaf{index}"] for index in range(len(leaves))]
            for value, leaf in zip(values, leaves, strict=True):
                if value.shape != (end - first, *leaf.shape[1:]) or value.dtype != leaf.dtype:
                    raise ValueError(f"{segment.name} has other rows than its checkpoint says")
            data.append(jax.tree.unflatten(structure, values))
    return Rows(np.asarray(segment.first, np.int64), data)


def sweep(folder: Path, names: Iterable[str]) -> None:
    """Deletes what belongs to no checkpoint: files whose rows are all older, and unfinished ones."""
    files.remove_leftovers(folder)
    kept = set(names)
    for file in folder.glob("rows-*"):
        if file.name not in kept:
            file.unlink(missing_ok=True)


def _write(path: Path, content: Mapping[str, np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.atomic(path) as file:
        np.savez(file, **content)  # type: ignore[arg-type]


class SegmentHandler(ocp.AsyncCheckpointHandler):
    """Writes a segment as a part of a checkpoint, which orbax does not finish before it is there."""

    def __init__(self) -> None:
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "segment")

    async def async_save(self, directory: Any, args: "SaveSegment") -> list[Any]:
        """Starts to write; `directory`, the checkpoint's own, stays empty."""
        return [self._thread.submit(_write, args.path, args.content)]

    def save(self, directory: Any, args: "SaveSegment") -> None:
        """Writes."""
        _write(args.path, args.content)

    def restore(self, directory: Any, args: Any = None) -> Any:
        """Restores nothing: `read` does."""

    def close(self) -> None:
        """Waits for what is being written."""
        self._thread.shutdown()


@ocp.args.register_with_handler(SegmentHandler, for_save=True, for_restore=True)
@dataclasses.dataclass
class SaveSegment(ocp.args.CheckpointArgs):
    """The file to write, and what it is to hold."""

    path: Path
    content: Mapping[str, np.ndarray]


class Segments:
    """The segments of a run on disk.

    Attributes:
      current: those of the newest checkpoint.
    """

    def __init__(self, folder: Path) -> None:
        """None yet; `folder` is theirs."""
        self._folder = folder
        self.current: list[Segment] = []

    @property
    def whole(self) -> bool:
        """Whether all of the newest checkpoint are there."""
        return all((self._folder / segment.name).exists() for segment in self.current)

    def first_row(self, named: Iterable[str] | None, oldest: np.ndarray) -> np.ndarray:
        """`[S]`, the number of the first row of each seed that no segment has.

        Args:
          named: segments that a checkpoint names; others are deleted, unless it is None.
          oldest: `[S]`, of the buffers, which still hold what is needed if somebody has deleted segments.
        """
        if named is not None:
            sweep(self._folder, named)
        if not self.whole:
            self.current = []
        return np.asarray(self.current[-1].end) if self.current else oldest

    def added(self, number: int, rows: Rows, oldest: np.ndarray) -> dict[str, SaveSegment]:
        """What a checkpoint of that number writes of the rows behind `current`, which it then names."""
        self.current = needed(self.current, oldest)
        if not (rows.end > rows.first).any():
            return {}
        segment = Segment(f"rows-{number}.npz", rows.first.tolist(), rows.end.tolist())
        self.current.append(segment)
        return {"rows": SaveSegment(self._folder / segment.name, arrays(rows))}
