"""Which checkpoints stay."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import orbax.checkpoint as ocp


@dataclasses.dataclass(frozen=True)
class Retention:
    """A preservation policy of orbax, whose own choice of the best trips over a damaged checkpoint.

    Attributes:
      newest: how many of the newest stay.
      best: how many of the highest score stay beside them.
      scores: by number of the checkpoint; None where there is none.
    """

    newest: int
    best: int
    scores: Mapping[int, float | None]

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> list[bool]:
        """Whether each checkpoint stays; they come in the order of time."""
        numbers = [info.step for info in checkpoints]
        kept = set(numbers[-self.newest :])
        scored = [(score, number) for number in numbers if (score := self.scores.get(number)) is not None]
        kept |= {number for _, number in sorted(scored)[::-1][: self.best]}
        return [number in kept for number in numbers]


def options(
    newest: int, best: int, scores: Mapping[int, float | None], reading: bool
) -> ocp.CheckpointManagerOptions:
    """How orbax keeps the checkpoints of a folder: see `Retention`, and `Checkpoints` for `reading`."""
    own, together = jax.process_index(), jax.process_count() > 1
    # Every process has its own manager and waits for no other.
    alone = ocp.options.MultiprocessingOptions(
        primary_host=own, active_processes={own}, barrier_sync_key_prefix=f"process{own}"
    )
    return ocp.CheckpointManagerOptions(
        preservation_policy=Retention(newest, best, scores),
        create=False,
        cleanup_tmp_directories=not reading,
        enable_async_checkpointing=True,
        multiprocessing_options=alone if together else ocp.options.MultiprocessingOptions(),
    )
