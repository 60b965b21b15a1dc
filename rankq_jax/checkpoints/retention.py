"""Which checkpoints stay."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import orbax.checkpoint as ocp


class Marks:
    """What is known of each checkpoint, by its number: a score, and whether it is an anchor."""

    def __init__(self) -> None:
        self.scores: dict[int, float] = {}
        self.anchors: set[int] = set()

    def note(self, number: int, score: float | None, anchor: bool) -> None:
        """Adds a checkpoint."""
        if score is not None:
            self.scores[number] = score
        if anchor:
            self.anchors.add(number)

    def forget(self, number: int) -> None:
        """Takes out a checkpoint that was deleted."""
        self.scores.pop(number, None)
        self.anchors.discard(number)

    @property
    def best(self) -> int | None:
        """Number of the checkpoint with the highest score, the newest of equals; None where none has one."""
        return max(self.scores, key=lambda number: (self.scores[number], number), default=None)

    @property
    def best_score(self) -> float | None:
        """Its score; None where none has one."""
        return max(self.scores.values(), default=None)


@dataclasses.dataclass(frozen=True)
class Retention:
    """A preservation policy of orbax, whose own choice of the best trips over a damaged checkpoint.

    Attributes:
      newest: how many of the newest stay.
      best: how many of the highest score stay beside them.
      marks: of the checkpoints. The newest anchor stays, whatever comes after it.
    """

    newest: int
    best: int
    marks: Marks

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> list[bool]:
        """Whether each checkpoint stays; they come in the order of time."""
        numbers = [info.step for info in checkpoints]
        kept = set(numbers[-self.newest :])
        scored = [(self.marks.scores[number], number) for number in numbers if number in self.marks.scores]
        kept |= {number for _, number in sorted(scored)[::-1][: self.best]}
        kept |= set(sorted(self.marks.anchors.intersection(numbers))[-1:])
        return [number in kept for number in numbers]


def options(newest: int, best: int, marks: Marks, reading: bool) -> ocp.CheckpointManagerOptions:
    """How orbax keeps the checkpoints of a folder: see `Retention`, and `Checkpoints` for `reading`."""
    own, together = jax.process_index(), jax.process_count() > 1
    # Every process has its own manager and waits for no other.
    alone = ocp.options.MultiprocessingOptions(
        primary_host=own, active_processes={own}, barrier_sync_key_prefix=f"process{own}"
    )
    return ocp.CheckpointManagerOptions(
        preservation_policy=Retention(newest, best, marks),
        create=False,
        cleanup_tmp_directories=not reading,
        enable_async_checkpointing=True,
        multiprocessing_options=alone if together else ocp.options.MultiprocessingOptions(),
    )
