"""Checkpoints of a whole run through orbax."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp


class Checkpoints:
    """The newest states of a run below one folder, each written atomically."""

    def __init__(self, folder: Path, keep: int = 2) -> None:
        """Opens (and makes) the folder.

        Args:
          folder: of this run's checkpoints.
          keep: how many of the newest stay.
        """
        options = ocp.CheckpointManagerOptions(max_to_keep=keep, enable_async_checkpointing=True)
        self._manager = ocp.CheckpointManager(folder.absolute(), options=options)

    @property
    def latest(self) -> int | None:
        """Number of the newest checkpoint, None if there is none."""
        return self._manager.latest_step()

    def save(self, step: int, state: Any, notes: dict[str, Any]) -> None:
        """Saves a pytree of arrays and numbers, and a JSON dictionary beside it.

        Host arrays are copied first, because the run goes on writing to them.
        """
        copied = jax.tree.map(lambda x: x if isinstance(x, jax.Array) else np.array(x), state)
        arguments = ocp.args.Composite(
            state=ocp.args.StandardSave(copied), notes=ocp.args.JsonSave(notes)
        )
        self._manager.save(step, args=arguments)

    def restore(self, like: Any) -> tuple[Any, dict[str, Any]]:
        """The newest state, in the structure and on the devices of `like`, and its notes.

        Raises:
          FileNotFoundError: if there is no checkpoint.
        """
        if self.latest is None:
            raise FileNotFoundError("no checkpoint to restore")
        like = jax.tree.map(lambda x: x if isinstance(x, jax.Array) else np.asarray(x), like)
        arguments = ocp.args.Composite(
            state=ocp.args.StandardRestore(like), notes=ocp.args.JsonRestore()
        )
        restored = self._manager.restore(self.latest, args=arguments)
        return restored.state, restored.notes

    def close(self) -> None:
        """Waits for what is being written."""
        self._manager.wait_until_finished()
        self._manager.close()
