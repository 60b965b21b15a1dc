"""A run as data: a tuple of phases. Nothing in the loop asks whether a phase is online."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from rankq_jax.types import Agent, Schedule


class Labeller(NamedTuple):
    """Rewrites columns of the dataset while a phase runs, for each seed, from what its policy does.

    Attributes:
      init: `(keys [S], dataset) -> state`, numpy or device leaves `[S, ...]`.
      label: `(state, mode, params, dataset, keys [S]) -> (state, {metric: [S]})`; `mode` is a
        `lifting.stepwise` greedy policy of all seeds. It may take its time and ask whomever it wants.
      columns: `state -> {name of a column of extras: [S, N, ...]}`.
      rounds: of the phase, after whose updates `label` is called.
    """

    init: Callable[..., Any]
    label: Callable[..., tuple[Any, dict[str, Any]]]
    columns: Callable[[Any], dict[str, Any]]
    rounds: Sequence[int]


class Phase(NamedTuple):
    """One stretch of a run. A round is: collect, update, evaluate; each dispatch of updates is reported.

    Going from one algorithm to another is the next phase's agent, with the same state type.

    Attributes:
      name: of the phase, in every record.
      agent: lifted over updates, seeds and devices; one call of `update` makes `block` updates.
      rounds: rounds of the phase.
      collect: environment steps per round, seed and row; 0 collects nothing.
      updates: updates owed per round.
      updates_per_step: further updates owed for every collected step of a seed. What is owed is paid in
        whole blocks, and the rest is carried to the next round of the phase.
      block: updates per dispatch.
      mixing_ratio: environment steps done `->` share of offline rows in a batch (see
        `data.mixture.Sources`). Where it is 0, updates stay owed until an episode of every seed has ended.
      warmup: environment steps per seed at the start of the phase that no update is owed for.
      evaluate_every: rounds between evaluations; there is always one at the end of the phase.
      checkpoint_every: rounds between checkpoints; there is always one at the end of the phase.
      labeller: rewrites columns of the dataset, or None.
      overlap: collect while the updates of the same round run. Those then see the episodes that have ended
        before the round, one round fewer than in the order of the papers (collect, then update), which is
        the one difference; the policy that acts is in both cases that of the round's start.
    """

    name: str
    agent: Agent
    rounds: int
    collect: int
    updates: int
    updates_per_step: float
    block: int
    mixing_ratio: Schedule
    warmup: int
    evaluate_every: int
    checkpoint_every: int
    labeller: Labeller | None = None
    overlap: bool = False


def due(every: int, done: int, last: int) -> bool:
    """Whether something is due after `done` of `last` rounds: at each multiple of `every`, and at the end.

    `every = 0` is the end alone.
    """
    return done == last or (every > 0 and done % every == 0)
