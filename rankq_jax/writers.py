"""Records on disk. The JSON lines are the source of truth, everything else is derived from them."""

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog

from rankq_jax import files
from rankq_jax.errors import InputError

FLUSH_SECONDS = 120.0  # between two looks that TensorBoard can take at new events


def flattened(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"a": {"b": 1}}` as `{"a.b": 1}`."""
    found: dict[str, Any] = {}
    for name, value in nested.items():
        if isinstance(value, Mapping):
            found |= flattened(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def plain(value: Any) -> Any:
    """`value` with every numpy scalar and array, tuple and mapping turned into what JSON knows."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value


class JsonLines:
    """A file with one JSON object per line, appended to and flushed line by line.

    Its methods raise an InputError if the disk does not take what is written.
    """

    def __init__(self, path: Path, keep: int | None = None) -> None:
        """Opens `path` for appending.

        Args:
          path: the file; made if it is missing.
          keep: bytes to keep of what is there, so that a resumed run drops what it will write again.

        Raises:
          InputError: if the file is shorter than that; it stays as it is.
        """
        if keep:
            size = path.stat().st_size if path.exists() else 0
            if size < keep:
                raise InputError(
                    f"{path}: ends at byte {size}, the checkpoint was taken at {keep}; "
                    "put the file back or choose another folder for the run."
                )
        self._path = path
        self._file = path.open("a", encoding="utf-8")
        if keep is not None:
            self._file.truncate(keep)
            self._file.seek(keep)

    def write(self, record: Mapping[str, Any]) -> None:
        """Appends one record."""
        with _named(self._path):
            self._file.write(json.dumps(plain(record)) + "\n")
            self._file.flush()

    def sync(self) -> int:
        """Waits until everything written is on the disk itself; returns how many bytes that is."""
        with _named(self._path):
            self._file.flush()
            os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        """Closes the file."""
        with _named(self._path):
            self._file.close()


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The records of a JSON lines file; a torn last line is left out.

    Raises:
      InputError: if another line is no record; names the file and the line.
    """
    records = []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for i, line in enumerate(lines):
        try:
            records.append(dict(json.loads(line)))
        except (ValueError, TypeError, RecursionError) as error:
            if i + 1 < len(lines):
                raise InputError(f"{path}: line {i + 1} is no record; delete that line.") from error
    return records


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Writes a JSON file in one move, as `write_text`."""
    write_text(path, json.dumps(plain(value), indent=2) + "\n")


class TensorBoard:
    """Event files for TensorBoard, one run per seed.

    Written by whoever calls: tensorboardX's own writer hands events to a thread, which a full disk ends, and
    then waits for ever for that thread to take the next one. The methods raise an InputError if the disk does
    not take what is written.
    """

    def __init__(self, folder: Path, keep: int | None = None) -> None:
        """Nothing is written yet.

        Args:
          folder: of the event files.
          keep: what was written of later updates than these is hidden, because it will be written again.
        """
        self._folder, self._purged = folder, None if keep is None else keep + 1
        self._writers: dict[int, EventsWriter] = {}
        self._flushed = time.monotonic()

    def write(self, seed: int, step: int, scalars: Mapping[str, float]) -> None:
        """Writes scalars of one seed at `step` updates."""
        with _named(self._folder):
            if seed not in self._writers:
                self._writers[seed] = self._opened(seed)
            for name, value in scalars.items():
                about = summary.scalar(name, float(value))
                self._writers[seed].write_event(Event(wall_time=time.time(), step=step, summary=about))
            if time.monotonic() - self._flushed > FLUSH_SECONDS:
                self._flushed = time.monotonic()
                for writer in self._writers.values():
                    writer.flush()

    def _opened(self, seed: int) -> EventsWriter:
        own = self._folder / f"seed{seed}"
        own.mkdir(parents=True, exist_ok=True)
        writer = EventsWriter(str(own / "events"))
        if self._purged is not None:
            start = SessionLog(status=SessionLog.START)
            writer.write_event(Event(wall_time=time.time(), step=self._purged, session_log=start))
        return writer

    def close(self) -> None:
        """Flushes and closes every file."""
        with _named(self._folder), contextlib.ExitStack() as closing:  # each, whichever of them fails
            for writer in self._writers.values():
                closing.callback(writer.close)


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Gives an error of the disk, which does not know it, the name of what was written."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); make room or mend it, and give the same command "
            "again: it goes on from the last checkpoint."
        ) from error


def write_text(path: Path, text: str) -> None:
    """Writes a text file in one move, as `files.atomic`, with the same errors."""
    files.write(path, text.encode())
