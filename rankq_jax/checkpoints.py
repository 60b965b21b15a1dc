"""Checkpoints of a whole run through orbax."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from rankq_jax.errors import InputError


class Checkpoints:
    """The newest states of a run below one folder, each written atomically.

    Of several processes that train together the first one writes, the others read alone.
    """

    def __init__(self, folder: Path, keep: int = 2) -> None:
        """Opens (and makes) the folder.

        Args:
          folder: of this run's checkpoints.
          keep: how many of the newest stay.
        """
        self._folder = folder.absolute()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._manager = ocp.CheckpointManager(self._folder, options=_options(keep))

    @property
    def latest(self) -> int | None:
        """Number of the newest checkpoint, None if there is none."""
        return self._manager.latest_step()

    def save(self, step: int, parts: Mapping[str, Any], notes: dict[str, Any]) -> None:
        """Saves named pytrees of arrays and numbers, and a JSON dictionary beside them.

        Host arrays are copied first, because the run goes on writing to them.
        """
        items = {
            name: ocp.args.StandardSave(jax.tree.map(_host_copy, part))
            for name, part in parts.items()
            if jax.tree.leaves(part)  # orbax refuses an empty tree
        }
        self._manager.save(step, args=ocp.args.Composite(notes=ocp.args.JsonSave(notes), **items))

    def restore(self, like: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The newest parts, in the structure and on the devices of `like`, and the notes.

        Parts that `like` does not name are not read.

        Raises:
          FileNotFoundError: if there is no checkpoint.
          InputError: if the newest one is damaged or belongs to another structure.
        """
        if self.latest is None:
            raise FileNotFoundError("no checkpoint to restore")
        items = {
            name: ocp.args.StandardRestore(jax.tree.map(_host_copy, part))
            for name, part in like.items()
            if jax.tree.leaves(part)
        }
        arguments = ocp.args.Composite(notes=ocp.args.JsonRestore(), **items)
        try:
            restored = self._manager.restore(self.latest, args=arguments)
        except Exception as error:  # damage has many types in orbax and the store below it
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise InputError(
                f"{self._folder / str(self.latest)}: cannot be restored ({reason}); if it is damaged, delete "
                "that folder to go on from the checkpoint before it."
            ) from error
        return {name: restored[name] if name in items else like[name] for name in like}, restored["notes"]

    def close(self) -> None:
        """Waits for what is being written."""
        self._manager.wait_until_finished()
        self._manager.close()


def _options(keep: int) -> ocp.CheckpointManagerOptions:
    own, together = jax.process_index(), jax.process_count() > 1
    # Every process has its own manager and waits for no other.
    alone = ocp.options.MultiprocessingOptions(
        primary_host=own, active_processes={own}, barrier_sync_key_prefix=f"process{own}"
    )
    return ocp.CheckpointManagerOptions(
        max_to_keep=None if own else keep,
        save_interval_steps=0 if own else 1,
        read_only=own > 0,
        create=False,
        enable_async_checkpointing=True,
        multiprocessing_options=alone if together else ocp.options.MultiprocessingOptions(),
    )


def _host_copy(leaf: Any) -> Any:
    # Arrays of one process's device are refused by orbax where there are several processes.
    on_device = isinstance(leaf, jax.Array) and jax.process_count() == 1
    return leaf if on_device else np.array(leaf)
