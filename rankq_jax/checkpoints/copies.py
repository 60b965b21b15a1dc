"""States of a run beside the disk: copied and not yet written, and read."""

from typing import Any, NamedTuple

import jax
import numpy as np

from rankq_jax.checkpoints.leaves import host_copy
from rankq_jax.checkpoints.replay import Rows


class CopiedState(NamedTuple):
    """What a checkpoint is written from; nothing that the run goes on with changes it.

    Attributes:
      parts: by name, numpy arrays.
      rows: of the replay buffers, those that no checkpoint has yet; None of a state without buffers.
      oldest: `[S]`, number of the oldest row that each seed still held; None likewise.
    """

    parts: dict[str, Any]
    rows: Rows | None
    oldest: np.ndarray | None

    def with_part(self, name: str, value: Any) -> "CopiedState":
        """The same with another part."""
        return self._replace(parts={**self.parts, name: jax.tree.map(host_copy, value)})


class RestoredCheckpoint(NamedTuple):
    """A checkpoint that was read.

    Attributes:
      number: of the checkpoint, counted from 1 in the order of time.
      parts: by name, in the structure and on the devices that were asked for.
      notes: the JSON dictionary that was saved beside them.
      rows: of the replay buffers, oldest first.
      damaged: of newer checkpoints that could not be read, one line each, newest first.
    """

    number: int
    parts: dict[str, Any]
    notes: dict[str, Any]
    rows: list[Rows]
    damaged: list[str]
