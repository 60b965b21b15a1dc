"""Which checkpoints stay."""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import orbax.checkpoint as ocp


class Marks:
    """What is known of each checkpoint, by its number: a score, and whether it is an anchor.

    The best are those of the highest score, the first of equals before the others. So that they do not
    depend on when the clock, a request or a restart asked for a checkpoint, every evaluation that belongs to
    the best so far has one (`wants`), and what is best up to an anchor outlives better ones behind it, which
    a run that starts again from there has not seen.
    """

    def __init__(self, best: int = 0) -> None:
        """Knows of no checkpoint yet; `best` says how many are kept for their score."""
        self.kept = best
        self.scores: dict[int, float] = {}
        self.anchors: set[int] = set()

    def note(self, number: int, score: float | None, anchor: bool) -> None:
        """Adds a checkpoint. A score that is no number is none."""
        if score is not None and not math.isnan(score):
            self.scores[number] = score
        if anchor:
            self.anchors.add(number)

    def forget(self, number: int) -> None:
        """Takes out a checkpoint that was deleted."""
        self.scores.pop(number, None)
        self.anchors.discard(number)

    def ranked(self, numbers: Iterable[int]) -> list[int]:
        """Those of the checkpoints that have a score, the best first."""
        scored = [number for number in numbers if number in self.scores]
        return sorted(scored, key=lambda number: (-self.scores[number], number))

    def wants(self, score: float) -> bool:
        """Whether a new checkpoint of that score would be one of the best."""
        best = self.ranked(self.scores)[: self.kept]
        if math.isnan(score):
            return False
        return len(best) < self.kept or any(score > self.scores[number] for number in best)

    @property
    def best(self) -> int | None:
        """Number of the best checkpoint; None where none has a score."""
        return next(iter(self.ranked(self.scores)), None)

    @property
    def best_score(self) -> float | None:
        """Its score; None where none has one."""
        return None if self.best is None else self.scores[self.best]


@dataclasses.dataclass(frozen=True)
class Retention:
    """A preservation policy of orbax, whose own choice of the best trips over a damaged checkpoint.

    Attributes:
      newest: how many of the newest stay.
      marks: of the checkpoints. The newest anchor stays, whatever comes after it, and the best of all and
        up to that anchor.
    """

    newest: int
    marks: Marks

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> list[bool]:
        """Whether each checkpoint stays; they come in the order of time."""
        numbers, marks = [info.step for info in checkpoints], self.marks
        kept = {*numbers[-self.newest :], *marks.ranked(numbers)[: marks.kept]}
        anchor = max(marks.anchors.intersection(numbers), default=0)
        kept |= {anchor, *marks.ranked(n for n in numbers if n <= anchor)[: marks.kept]}
        return [number in kept for number in numbers]


def options(newest: int, marks: Marks, reading: bool) -> ocp.CheckpointManagerOptions:
    """How orbax keeps the checkpoints of a folder: see `Retention`, and `Checkpoints` for `reading`."""
    own, together = jax.process_index(), jax.process_count() > 1
    # Every process has its own manager and waits for no other.
    alone = ocp.options.MultiprocessingOptions(
        primary_host=own, active_processes={own}, barrier_sync_key_prefix=f"process{own}"
    )
    return ocp.CheckpointManagerOptions(
        preservation_policy=Retention(newest, marks),
        create=False,
        cleanup_tmp_directories=not reading,
        enable_async_checkpointing=True,
        multiprocessing_options=alone if together else ocp.options.MultiprocessingOptions(),
    )
