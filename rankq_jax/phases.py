"""A run as data: a tuple of phases. Nothing in the loop asks whether a phase is online."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from rankq_jax.data.mixture import Sampler
from rankq_jax.types import Agent, Key, Measured, Schedule


class Relabeler(NamedTuple):
    """Rewrites columns of the dataset while a phase runs, for each seed, from what its policy does.

    Attributes:
      init: `(keys [S], dataset) -> state`, numpy or device leaves `[S, ...]`.
      relabel: `(state, mode, params, dataset, keys [S]) -> (state, {metric: [S]})`; `mode` is a
        `lifting.jit_act` greedy policy of all seeds. The run waits for it, however long it takes.
      columns: `state -> {name of a column of extras: [S, N, ...]}`.
      iterations: those of the phase after whose updates `relabel` is called.
    """

    init: Callable[..., Any]
    relabel: Callable[..., tuple[Any, dict[str, Any]]]
    columns: Callable[[Any], dict[str, Any]]
    iterations: Sequence[int]


class Diagnostics(NamedTuple):
    """Metrics of the critic that the updates of a phase report at an interval.

    They read the state and change nothing: their random keys are their own.

    Attributes:
      measure: `(state, sources, keys [S]) -> {name: Measured [S]}` on the devices, from
        `loop.agents.lift_diagnostics`.
      every: updates between two; they follow the dispatch that reaches a multiple of it.
      draw: how `measure` draws its batch; only read where the dataset stays on disk, see `loop.disk`.
    """

    measure: Callable[[Any, Any, Key], dict[str, Measured]]
    every: int
    draw: Sampler

    def due(self, before: int, after: int) -> bool:
        """Whether a dispatch that has brought a run from `before` to `after` updates is followed by them."""
        return after // self.every > before // self.every


class Phase(NamedTuple):
    """One stretch of a run. An iteration collects, updates, relabels and evaluates; see `loop.events`.

    Going from one algorithm to another is the next phase's agent, with the same state type.

    Attributes:
      name: of the phase, in every record.
      agent: lifted over updates, seeds and devices; one call of `update` makes
        `updates_per_dispatch` updates.
      iterations: how many the phase has.
      collect: environment steps per iteration, seed and row; 0 collects nothing.
      updates: updates due per iteration.
      updates_per_step: further updates due for every collected step of a seed. They are made in whole
        dispatches, and the rest is carried to the next iteration of the phase.
      updates_per_dispatch: updates that the devices make in one program.
      mixing_ratio: environment steps done `->` share of offline rows in a batch (see
        `data.mixture.Sources`). Where it is 0, updates stay due until an episode of every seed has ended.
      warmup: environment steps per seed at the start of the phase that no update is due for.
      evaluate_every: iterations between evaluations; there is always one at the end of the phase.
      checkpoint_every: iterations between checkpoints; there is always one at the end of the phase.
      relabeler: rewrites columns of the dataset, or None.
      overlap: collect while the updates of the same iteration run. Those then see the episodes that have
        ended before the iteration, one iteration fewer than in the order of the papers (collect, then
        update), which is the one difference; the policy that acts is in both cases that of the iteration's
        start.
      draw: how the agent draws its batches; only read where the dataset stays on disk, see `loop.disk`.
      diagnostics: of its critic, or None.
    """

    name: str
    agent: Agent
    iterations: int
    collect: int = 0
    updates: int = 0
    updates_per_step: float = 0.0
    updates_per_dispatch: int = 1
    mixing_ratio: Schedule = lambda env_steps: 1.0
    warmup: int = 0
    evaluate_every: int = 0
    checkpoint_every: int = 0
    relabeler: Relabeler | None = None
    overlap: bool = False
    draw: Sampler | None = None
    diagnostics: Diagnostics | None = None


def due(every: int, done: int, last: int) -> bool:
    """Whether something is due after `done` of `last` iterations: at multiples of `every`, and at the end.

    `every = 0` is the end only.
    """
    return done == last or (every > 0 and done % every == 0)
