"""States of a run through orbax: written in the background, atomically, the newest and the best ones kept."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from rankq_jax.checkpoints import leaves, replay
from rankq_jax.checkpoints.copies import CopiedState, RestoredCheckpoint
from rankq_jax.checkpoints.replay import ReplaySnapshot, Segment, Segments
from rankq_jax.checkpoints.retention import Marks, options
from rankq_jax.errors import InputError, Stopped

ROWS = "replay"  # folder of the segments, inside that of the checkpoints


class Checkpoints:
    """The states of a run below one folder.

    Of processes that train together the first writes, the others read alone. `marks` tells of each.
    """

    def __init__(self, folder: Path, keep: int = 2, keep_best: int = 0, *, reading: bool = False) -> None:
        """Opens the folder, and makes it for writing.

        Args:
          folder: of this run's checkpoints.
          keep: how many of the newest stay.
          keep_best: how many of the highest score stay beside them, the first of equals; see `Marks`.
          reading: nothing will be saved; whoever writes to the folder is not disturbed.

        Raises:
          InputError: if the folder cannot be made.
        """
        self._folder = folder.absolute()
        self._reading = reading or jax.process_index() > 0
        try:
            if not reading:
                self._folder.mkdir(parents=True, exist_ok=True)
            self.marks = Marks(keep_best)
            self._manager = ocp.CheckpointManager(
                self._folder, options=options(keep, self.marks, self._reading)
            )
        except OSError as error:
            raise InputError(f"{self._folder}: cannot be used ({error}); make it writable.") from error
        self._segments = Segments(self._folder / ROWS)
        for number in self.numbers:
            about = self._readable(number)[0]
            self.marks.note(number, about.get("score"), about.get("anchor", False))

    @property
    def numbers(self) -> list[int]:
        """Those of all finished checkpoints, in the order of time."""
        return sorted(self._manager.all_steps())

    def path(self, number: int) -> Path:
        """The folder of a checkpoint."""
        return self._folder / str(number)

    def save(
        self,
        parts: Mapping[str, Any],
        notes: Mapping[str, Any],
        buffers: ReplaySnapshot | None = None,
        score: float | None = None,
        anchor: bool = False,
    ) -> int:
        """Starts to save named pytrees of arrays and numbers, and a JSON dictionary beside them.

        Everything is copied before this returns, because the run goes on writing to it.

        Args:
          parts: pytrees by name.
          notes: what JSON can hold.
          buffers: the rows of the replay buffers, of which those are read that no checkpoint has yet.
          score: by which the best checkpoints are chosen.
          anchor: stays until there is a newer one that is one.

        Returns:
          The number of the checkpoint.

        Raises:
          InputError: if this or the last checkpoint could not be written.
          Stopped: if that took orbax too long, as by the system's clock.
        """
        return self.write(self.copy(parts, buffers), notes, score, anchor)

    def copy(self, parts: Mapping[str, Any], buffers: ReplaySnapshot | None = None) -> CopiedState:
        """The state that `save` would write now, for `write`; nothing else may be saved until then.

        Raises:
          InputError: if the last checkpoint could not be written.
          Stopped: as `save`.
        """
        own = {name: jax.tree.map(leaves.host_copy, part) for name, part in parts.items()}
        self.wait()
        if buffers is None:
            return CopiedState(own, None, None)
        with self._writing():
            read = [self._readable(number) for number in self.numbers]
            named = {segment.name for _, segments in read for segment in segments}
            # Of a checkpoint that cannot be read, now or at all, nobody knows which rows it names.
            first = self._segments.first_row(
                named if all(about for about, _ in read) else None, buffers.oldest
            )
        return CopiedState(own, buffers.since(first), buffers.oldest)

    def write(
        self, copied: CopiedState, notes: Mapping[str, Any], score: float | None = None, anchor: bool = False
    ) -> int:
        """Starts to write what was copied; arguments, result and errors are those of `save`.

        Returns 0, and writes nothing, if rows that lie before the copied ones were deleted meanwhile.
        """
        self.wait()
        if copied.rows is not None and not self._segments.whole:
            return 0
        with self._writing():
            number = max(self.numbers, default=0) + 1
            items: dict[str, Any] = {
                name: ocp.args.StandardSave(part)
                for name, part in copied.parts.items()
                if jax.tree.leaves(part)  # orbax refuses an empty tree
            }
            if copied.rows is not None and copied.oldest is not None:
                items |= self._segments.added(number, copied.rows, copied.oldest)
            about = {
                "notes": dict(notes),
                "score": score,
                "anchor": anchor,
                "segments": [list(segment) for segment in self._segments.current],
                "checksums": {name: leaves.checksum(part) for name, part in copied.parts.items()},
            }
            about["checksum"] = leaves.text_checksum(about)
            self.marks.note(number, score, anchor)
            self._manager.save(number, args=ocp.args.Composite(about=ocp.args.JsonSave(about), **items))
        return number

    def restore(
        self, like: leaves.Like, row: Any = None, number: int | None = None, *, anchors: bool = False
    ) -> RestoredCheckpoint:
        """The newest checkpoint that can be read.

        Args:
          like: parts by name, or a function of a checkpoint's notes that returns them; the result has their
            structure and devices, and others are not read.
          row: a pytree `[N, ...]` with the structure and types of the buffers' rows; None reads no rows.
          number: of the one checkpoint to read; None takes the newest, or one before it if that is damaged.
          anchors: whether it must be an anchor.

        Raises:
          FileNotFoundError: if there is no checkpoint.
          InputError: if none can be read: they are damaged, or belong to another structure.
        """
        among = self.numbers[::-1] if number is None else [number]
        numbers = [one for one in among if one in self.marks.anchors or not anchors]
        if not numbers:
            raise FileNotFoundError("no checkpoint to restore")
        damaged: list[str] = []
        for one in numbers:
            try:
                return self._restored(one, like, row)._replace(damaged=damaged)
            except Exception as error:  # damage has many types in orbax and the store below it
                damaged.append(f"{self.path(one)}: cannot be restored ({leaves.reason(error)})")
        raise InputError(
            f"{damaged[0]}; {'nor can those before it; ' if damaged[1:] else ''}"
            "put the files back, or start again in another folder."
        )

    def _restored(self, number: int, like: leaves.Like, row: Any) -> RestoredCheckpoint:
        about, segments = self._about(number)
        like = like(about["notes"]) if callable(like) else like
        hosts = {name: jax.tree.map(leaves.host_copy, part) for name, part in like.items()}
        items = {
            name: ocp.args.StandardRestore(part) for name, part in hosts.items() if jax.tree.leaves(part)
        }
        read = self._manager.restore(number, args=ocp.args.Composite(**items)) if items else {}
        parts = {}
        for name, part in like.items():
            values = read[name] if name in items else part
            leaves.check_alike(values, hosts[name])
            if leaves.checksum(values) != about["checksums"][name]:
                raise ValueError(f"{name} is not what was saved")
            parts[name] = jax.tree.map(leaves.placed, values, part)
        rows = [] if row is None else [replay.read(self._folder / ROWS, one, row) for one in segments]
        return RestoredCheckpoint(number, parts, about["notes"], rows, [])

    def _about(self, number: int) -> tuple[dict[str, Any], list[Segment]]:
        """The notes of a checkpoint, and the segments of its buffers."""
        args = ocp.args.Composite(about=ocp.args.JsonRestore())
        about = dict(self._manager.restore(number, args=args)["about"])
        if about.pop("checksum") != leaves.text_checksum(about):
            raise ValueError("its notes are not what was saved")
        return about, [Segment(*one) for one in about["segments"]]

    def go_on_from(self, number: int) -> None:
        """Forgets what is newer than a checkpoint, so that the run writes it again.

        Args:
          number: of the checkpoint; 0 forgets all.

        Raises:
          InputError: if it cannot be deleted.
        """
        with self._writing():
            for newer in [one for one in self.numbers if one > number]:
                self._manager.delete(newer)
                self.marks.forget(newer)
            self._segments.current = self._about(number)[1] if number else []

    def wait(self) -> None:
        """Returns when what was saved is on disk.

        Raises:
          InputError: if it could not be written.
          Stopped: as `save`.
        """
        with self._writing():
            self._manager.wait_until_finished()

    def close(self) -> None:
        """As `wait`, for good."""
        self.wait()
        self._manager.close()

    def _readable(self, number: int) -> tuple[dict[str, Any], list[Segment]]:
        """As `_about`; empty for a damaged checkpoint."""
        try:
            return self._about(number)
        except Exception:  # `restore` says so, if it comes to that
            return {}, []

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:  # orbax waits by the system's clock, which may have jumped
            raise Stopped(f"{self._folder}: a checkpoint was not written in time") from error
        except Exception as error:  # full disks have many types in orbax and the store below it
            raise InputError(
                f"{self._folder}: the checkpoint was not written ({leaves.reason(error)}); make room or mend "
                "it, and give the same command again: it goes on from the checkpoint before."
            ) from error
