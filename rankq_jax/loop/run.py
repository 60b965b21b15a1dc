"""Running a plan, round after round."""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rankq_jax import metrics
from rankq_jax.checkpoints import Held
from rankq_jax.data import buffer as ring
from rankq_jax.envs.batch import stream_seed, streams
from rankq_jax.envs.rollout import recorder
from rankq_jax.errors import Stopped
from rankq_jax.evaluation import Evaluation, evaluate
from rankq_jax.lifting import stepwise
from rankq_jax.loop import rounds
from rankq_jax.loop.agents import at_phase, keys_of
from rankq_jax.loop.state import Progress, RunState, World, held, portable
from rankq_jax.parallel import Layout
from rankq_jax.phases import Phase, due
from rankq_jax.timing import Stopwatch
from rankq_jax.types import Episodes, Key

Keys = Callable[[int], Key]  # what a part of a round is numbered `->` its keys `[S]`


class _GivenUp(Exception):
    """An evaluation, in the middle of its episodes."""


class Listener(NamedTuple):
    """Where a run reports to. The loop itself writes nothing.

    Attributes:
      metrics: called once per dispatch of updates, and for labels of a round without updates, with
        `(phase name, progress, {name: [S]})`.
      episodes: called with `(progress, [(seed, Episodes)])` when training episodes end.
      evaluation: called with `(phase name, progress, Evaluation, last of the phase)`.
      checkpoint: called with the parts of a `portable` state, the rows that the buffers hold, and whether
        the phase has this checkpoint, whatever disturbs the run; must copy what it keeps before it returns.
      due: whether a checkpoint is wanted, besides those that the phase has; asked between the dispatches of
        a round, unless they overlap or processes train together, and at its end.
      stop: whether the run is to end, with a checkpoint; asked as `due` is, and during evaluations, which
        are then given up and made again by who goes on. Processes that train together must agree.
    """

    metrics: Callable[[str, Progress, dict[str, np.ndarray]], None]
    episodes: Callable[[Progress, list[tuple[int, Episodes]]], None]
    evaluation: Callable[[str, Progress, Evaluation, bool], None]
    checkpoint: Callable[[dict[str, Any], Held, bool], None]
    due: Callable[[], bool] = lambda: False
    stop: Callable[[], bool] = lambda: False


def initial(plan: Sequence[Phase], world: World, layout: Layout) -> RunState:
    """The state before the first round. Phases with a labeller share its state."""
    dataset = jax.tree.map(jnp.asarray, world.dataset)
    labeller = next((phase.labeller for phase in plan if phase.labeller is not None), None)
    keys = layout.split(keys_of(world.seeds, 0, 0))
    rows = world.env.rows // len(world.seeds)
    one = ring.init(dataset, world.capacity)
    copies = jax.tree.map(lambda x: jnp.stack([x] * len(world.seeds)), one)
    return RunState(
        agent=plan[0].agent.init(keys, layout.replicate(dataset)),
        buffer=layout.split(copies),
        env=world.env.reset(np.concatenate([streams(stream_seed(seed), rows) for seed in world.seeds])),
        recorder=recorder(world.env),
        progress=Progress(),
        labels=labeller.init(keys_of(world.seeds, 0, 1), world.dataset) if labeller else (),
    )


def _within_a_round(listener: Listener) -> Listener:
    """`listener` as it is asked inside a round.

    Processes that train together come by the ends of rounds alike, and are asked there alone.
    """
    if jax.process_count() == 1:
        return listener
    return listener._replace(due=lambda: False, stop=lambda: False)


def run(
    plan: Sequence[Phase],
    world: World,
    layout: Layout,
    state: RunState,
    listener: Listener,
    stopwatch: Stopwatch,
    *,
    concurrently: bool = True,
) -> RunState:
    """Runs `plan` from wherever `state` is to its end.

    Keys are folded from (seed, phase, round): the collecting, updating and evaluating of a round draw
    the same numbers whatever happened before, and whichever other seeds run beside.

    Args:
      plan: the phases.
      world: environments and data.
      layout: how seeds lie on devices; the agents of the plan were lifted with the same one.
      state: from `initial`, or restored. It is consumed: its arrays are donated.
      listener: where results go.
      stopwatch: told about `collect`, `update`, `label` and `evaluate`. Where a phase overlaps, `update` is
        the time that the updates are waited for, besides the collecting.
      concurrently: False finishes the updates of an overlapping phase before it collects: the same results
        without the overlap.

    Returns:
      The final state.

    Raises:
      NumericsError: after a dispatch with a metric that is NaN or infinite; names metric, seed, update.
        Before a checkpoint of a state that is; names its leaf.
      Stopped: when `listener.stop` has said so and there is a checkpoint.
    """
    dataset = layout.replicate(jax.tree.map(jnp.asarray, world.dataset))
    within = _within_a_round(listener)
    add = layout.lift(jax.vmap(ring.add), in_axes=(0, 0, 0), donate=0)

    def checkpoint(state: RunState, planned: bool = False) -> None:
        parts = portable(state, layout)
        metrics.check_finite(parts["agent"], world.seeds, state.progress.updates)
        listener.checkpoint(parts, held(state, layout), planned)

    def means(phase: Phase, dispatch: rounds.Dispatch) -> dict[str, np.ndarray]:
        first = dispatch.progress.updates - phase.block
        with stopwatch("update"):
            return metrics.finite(dispatch.means, dispatch.metrics, world.seeds, first)

    def report(phase: Phase, dispatches: Iterable[rounds.Dispatch]) -> None:
        for dispatch in dispatches:
            listener.metrics(phase.name, dispatch.progress, means(phase, dispatch))

    def begun(phase: Phase, state: RunState, keys: Keys) -> tuple[RunState, list[rounds.Dispatch]]:
        """The environment steps of a round and, where the phase overlaps, its updates beside them."""
        pending = []
        if phase.collect:
            # Before the updates, which may start first: they consume the state that acts.
            policy = rounds.policy(act, phase, world, state, keys(0))
        state = state._replace(progress=rounds.begun(state.progress, phase, world))
        if phase.overlap:
            sources, own = rounds.sources_of(state, phase, world, layout, dataset), keys(1)
            for _ in range(rounds.owed(state, phase, layout)):
                with stopwatch("update"):
                    state, dispatch = rounds.dispatched(state, phase, sources, layout, own)
                pending.append(dispatch)
            if not concurrently:
                with stopwatch("update"):
                    jax.block_until_ready(state.agent)
        if phase.collect:
            with stopwatch("collect"):
                state, ended = rounds.collected(state, phase, world, layout, policy, add)
            listener.episodes(state.progress, ended)
        return state, pending

    def paid(phase: Phase, state: RunState, keys: Keys) -> tuple[RunState, list[rounds.Dispatch]]:
        """The updates that a round owes still; the last ones may be at work. Stops between two dispatches."""
        pending: list[rounds.Dispatch] = []
        sources, own = rounds.sources_of(state, phase, world, layout, dataset), keys(1)
        for _ in range(rounds.owed(state, phase, layout)):
            if pending and (within.due() or within.stop()):
                report(phase, pending)
                pending = []
                checkpoint(state)
                if within.stop():
                    raise Stopped
            with stopwatch("update"):
                state, dispatch = rounds.dispatched(state, phase, sources, layout, own)
            report(phase, pending)  # waits for the one before, while the devices have work
            pending = [dispatch]
        return state, pending

    def updated(phase: Phase, done: int, state: RunState, keys: Keys) -> RunState:
        """Everything of a round but its evaluation, from wherever it was left."""
        pending: list[rounds.Dispatch] = []
        if not state.progress.begun:
            state, pending = begun(phase, state, keys)
        if not phase.overlap:
            state, pending = paid(phase, state, keys)
        report(phase, pending[:-1])
        found = means(phase, pending[-1]) if pending else {}
        if phase.labeller is not None and done in phase.labeller.rounds:
            with stopwatch("label"):
                params = phase.agent.params(state.agent)
                labels, answers = phase.labeller.label(state.labels, mode, params, world.dataset, keys(3))
            state, found = state._replace(labels=labels), {**found, **answers}
        state = state._replace(progress=state.progress._replace(updated=True))
        if found:
            listener.metrics(phase.name, state.progress, found)
        return state

    def given_up(steps: int) -> None:
        if within.stop():
            raise _GivenUp

    def evaluated(phase: Phase, index: int, done: int, state: RunState, keys: Keys) -> None:
        greedy = rounds.policy(mode, phase, world, state, keys(2))
        starts = [stream_seed(seed, index, done) for seed in world.seeds]
        try:
            with stopwatch("evaluate"):
                result = evaluate(world.evaluation_env, greedy, starts, given_up)
        except _GivenUp:
            checkpoint(state)
            raise Stopped from None
        listener.evaluation(phase.name, state.progress, result, done == phase.rounds)

    for index in range(state.progress.phase, len(plan)):
        phase = plan[index]
        state = at_phase(plan, world, layout, state, index)
        state = state._replace(progress=rounds.in_phase(state.progress, index))
        act, mode = stepwise(phase.agent.act), stepwise(phase.agent.mode)
        for done in range(state.progress.round + 1, phase.rounds + 1):
            keys = functools.partial(keys_of, world.seeds, index + 1, done, attempt=state.progress.attempt)
            if not state.progress.updated:
                state = updated(phase, done, state, keys)
            if due(phase.evaluate_every, done, phase.rounds):
                evaluated(phase, index, done, state, keys)
            state = state._replace(progress=rounds.next_round(state.progress))
            last = index + 1 == len(plan) and done == phase.rounds
            stopped = not last and listener.stop()
            planned = due(phase.checkpoint_every, done, phase.rounds)
            if planned or listener.due() or stopped:
                checkpoint(state, planned)
            if stopped:
                raise Stopped
    return state
