"""What a rule about datasets is, what it finds, and how that is told."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from rankq_jax.errors import InputError
from rankq_jax.types import Episodes

BLOCK = 65_536  # rows that are looked at together, so that no rule copies a dataset
BLOCK_BYTES = 2**26  # of these rows


class Finding(NamedTuple):
    """What a rule found in one dataset.

    Attributes:
      ok: None where there is nothing to judge.
      measured: what was measured, or why nothing was, for a table.
      problem: what is wrong, the beginning of a sentence; empty unless broken.
      row: the first offence; None if the dataset as a whole is one.
      remedy: what to do, where that is something else than the rule says.
    """

    ok: bool | None
    measured: str
    problem: str = ""
    row: int | None = None
    remedy: str = ""


class Rule(NamedTuple):
    """Something that data must be like.

    Attributes:
      name: short, as messages and tables name it.
      demand: what holds, in a sentence.
      test: the value that the rule is about, a `Recorded` or `Labeled`, to a `Finding`.
      remedy: what to do if it is broken.
      fatal: whether breaking it stops a training run; otherwise it is only shown.
      basic: whether the rules after it mean nothing where it is broken.
    """

    name: str
    demand: str
    test: Callable[[Any], Finding]
    remedy: str = ""
    fatal: bool = True
    basic: bool = False


def findings(rules: Sequence[Rule], subject: Any) -> list[tuple[Rule, Finding]]:
    """Every rule with what it found; after a broken basic one nothing is judged."""
    found: list[tuple[Rule, Finding]] = []
    for rule in rules:
        broken = [earlier.name for earlier, one in found if earlier.basic and one.ok is False]
        unjudged = Finding(None, f"not judged, because {broken[0]!r} is broken") if broken else None
        found.append((rule, unjudged or rule.test(subject)))
    return found


def refusal(source: str, rule: Rule, finding: Finding, episodes: Episodes, of: str = "") -> InputError:
    """The error for a broken rule, to be raised: what is wrong, where, which rule, and what to do.

    Args:
      source: the file or dataset name that the message begins with.
      rule: the broken one.
      finding: of the rule.
      episodes: what the row of the finding is a row of.
      of: words for what is numbered, after the index.
    """
    where = "from episode 0, index 0 on"
    if finding.row is not None:
        episode = episodes.episode[finding.row]
        start = int(np.argmax(episodes.episode == episode))
        where = f"at episode {int(episode)}, index {finding.row - start}"
    remedy = finding.remedy or rule.remedy
    return InputError(f"{source}: {finding.problem} {where}{of} (rule {rule.name!r}); {remedy}.")


def blocks(rows: int, row_bytes: int = 1) -> Iterator[slice]:
    """`rows` rows as slices, one block after another; short ones where a row has many bytes, as images do."""
    size = max(1, min(BLOCK, BLOCK_BYTES // max(row_bytes, 1)))
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


def first(rows: int, bad: Callable[[slice], np.ndarray], row_bytes: int = 1) -> int | None:
    """The first row that `bad`, from a slice of rows to `[n]` bool, says is bad; None if none is.

    A row of `row_bytes` bytes is looked at with fewer others where that are many.
    """
    for block in blocks(rows, row_bytes):
        found = bad(block)
        if found.any():
            return block.start + int(np.argmax(found))
    return None
