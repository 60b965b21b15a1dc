"""Records on disk. The JSON lines are the source of truth, everything else is derived from them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tensorboardX import SummaryWriter

from rankq_jax.errors import InputError


def plain(value: Any) -> Any:
    """`value` with every numpy scalar and array, tuple and mapping turned into what JSON knows."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value


class JsonLines:
    """A file with one JSON object per line, appended to and flushed line by line."""

    def __init__(self, path: Path, keep: int | None = None) -> None:
        """Opens `path` for appending.

        Args:
          path: the file; made if it is missing.
          keep: bytes to keep of what is there, so that a resumed run drops what it will write again.

        Raises:
          InputError: if the file is shorter than that.
        """
        self._file = path.open("a", encoding="utf-8")
        if keep is not None:
            if self._file.tell() < keep:
                raise InputError(
                    f"{path}: ends at byte {self._file.tell()}, the checkpoint was taken at {keep}; "
                    "put the file back or choose another --workdir."
                )
            self._file.truncate(keep)
            self._file.seek(keep)

    def write(self, record: Mapping[str, Any]) -> None:
        """Appends one record."""
        self._file.write(json.dumps(plain(record)) + "\n")
        self._file.flush()

    @property
    def position(self) -> int:
        """Bytes written so far."""
        return self._file.tell()

    def close(self) -> None:
        """Closes the file."""
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
        except (ValueError, TypeError) as error:
            if i + 1 < len(lines):
                raise InputError(f"{path}: line {i + 1} is no record; delete that line.") from error
    return records


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Writes a JSON file in one move, so that a reader sees the old file or the new one."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(plain(value), indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)


class TensorBoard:
    """Event files for TensorBoard, one run per seed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[int, SummaryWriter] = {}

    def write(self, seed: int, step: int, scalars: Mapping[str, float]) -> None:
        """Scalars of one seed at `step` updates."""
        if seed not in self._writers:
            self._writers[seed] = SummaryWriter(str(self._folder / f"seed{seed}"))
        for name, value in scalars.items():
            self._writers[seed].add_scalar(name, float(value), step)

    def close(self) -> None:
        """Flushes and closes every file."""
        for writer in self._writers.values():
            writer.close()
