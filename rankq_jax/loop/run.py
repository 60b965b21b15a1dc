"""Running a plan, iteration after iteration, as a generator of events."""

import dataclasses
from collections.abc import Generator, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from rankq_jax.data import buffer as ring
from rankq_jax.envs.rollout import recorder
from rankq_jax.envs.streams import stream_seed, streams
from rankq_jax.lifting import jit_act
from rankq_jax.loop.agents import at_phase
from rankq_jax.loop.disk import examples, on_disk, row_drawers
from rankq_jax.loop.event import (
    Collected,
    Evaluated,
    Evaluating,
    EvaluationDue,
    Event,
    IterationEnd,
    PendingUpdates,
    Updated,
)
from rankq_jax.loop.iteration import (
    Work,
    begin,
    collect,
    enter_phase,
    evaluate,
    greedy_episodes,
    next_iteration,
    policy,
    relabel,
    update,
)
from rankq_jax.loop.keys import IterationKeys, initial_keys, iteration_keys
from rankq_jax.loop.state import Progress, RunState, Setup, Stage
from rankq_jax.parallel import Layout
from rankq_jax.phases import Phase, due
from rankq_jax.timing import Stopwatch
from rankq_jax.types import Episodes


def initial(plan: Sequence[Phase], setup: Setup, layout: Layout) -> RunState:
    """The state before the first iteration. Phases with a relabeler share its state."""
    dataset = examples(setup.dataset)
    relabeler = next((phase.relabeler for phase in plan if phase.relabeler is not None), None)
    keys = initial_keys(setup.seeds)
    rows = setup.env.rows // len(setup.seeds)
    one = ring.init(dataset, setup.capacity)
    copies = jax.tree.map(lambda x: jnp.stack([x] * len(setup.seeds)), one)
    return RunState(
        agent=plan[0].agent.init(layout.split(keys.agent), layout.replicate(dataset)),
        buffer=layout.split(copies),
        env=setup.env.reset(np.concatenate([streams(stream_seed(seed), rows) for seed in setup.seeds])),
        recorder=recorder(setup.env),
        progress=Progress(),
        labels=relabeler.init(keys.relabeler, setup.dataset) if relabeler else (),
    )


def events(
    plan: Sequence[Phase],
    setup: Setup,
    layout: Layout,
    state: RunState,
    stopwatch: Stopwatch | None = None,
    *,
    concurrently: bool = True,
    hand_over: bool = False,
) -> Generator[Event, None, None]:
    """Runs `plan` from wherever `state` is to its end, and yields what happens.

    Between two events the state of the newest one is whole. Who drives the run may save it, stop and go on
    from it later, or close the generator; the rest of the run is then the same bit for bit. An evaluation
    that is given up by closing is made again.

    In an iteration come: `Collected` where there are environment steps, `Updated` for each dispatch,
    `Evaluating` for each step of an evaluation, `Evaluated`, `IterationEnd`. A phase that overlaps has one
    `Updated` for all dispatches of an iteration, and `Collected` behind it. `EvaluationDue` is all that comes
    of evaluations that are handed over.

    Keys are folded from (seed, phase, iteration): the collecting, updating and evaluating of an iteration
    draw the same numbers whatever happened before, and whichever other seeds run beside.

    Args:
      plan: the phases.
      setup: environments and data.
      layout: how seeds lie on devices; the agents of the plan were lifted with the same one.
      state: from `initial`, restored, or of an event. It is consumed: its arrays are donated.
      stopwatch: counts `collect`, `update`, `label` and `evaluate`. Where a phase overlaps, `update` is the
        time that the updates are waited for, besides the collecting.
      concurrently: False finishes the updates of an overlapping phase before it collects: the same results
        without the overlap.
      hand_over: whether who drives the run makes its evaluations. All of them act in the same environments:
        one is to be over before the event behind the next `EvaluationDue` is asked for.

    Raises:
      NumericsError: after a dispatch with a metric that is NaN or infinite; names metric, seed, update.
    """
    stays = on_disk(setup.dataset)
    dataset = None if stays else layout.replicate(jax.tree.map(jnp.asarray, setup.dataset))
    add = layout.lift(jax.vmap(ring.add), in_axes=(0, 0, 0), donate=0)
    for index in range(state.progress.phase, len(plan)):
        phase = plan[index]
        state = at_phase(plan, setup, layout, state, index)
        state = state._replace(progress=enter_phase(state.progress, index))
        act, mode = jit_act(phase.agent.act), jit_act(phase.agent.act_greedy)
        draw, diagnosed = row_drawers(phase, layout) if stays else (None, None)
        work = Work(phase, setup, layout, dataset, act, mode, add, stopwatch or Stopwatch(), draw, diagnosed)
        while state.progress.iteration < phase.iterations:
            last = index + 1 == len(plan) and state.progress.iteration + 1 == phase.iterations
            keys = iteration_keys(setup.seeds, state.progress)
            if state.progress.stage != Stage.EVALUATE:
                state = yield from _until_updated(work, state, keys, concurrently)
            state = yield from _until_the_end(work, state, keys, last, hand_over)


def _until_updated(
    work: Work, state: RunState, keys: IterationKeys, concurrently: bool
) -> Generator[Event, None, RunState]:
    """Collects, updates and relabels, from wherever the iteration was left."""
    phase, episodes = work.phase, None
    if phase.overlap:
        state, pending, episodes = _at_once(work, state, keys, concurrently)
    else:
        state, pending = yield from _one_after_another(work, state, keys)
    with work.stopwatch("update"):
        for dispatch in pending:
            _ = dispatch.metrics
    state, answers = relabel(work, state, keys.relabel)
    state = state._replace(progress=state.progress._replace(stage=Stage.EVALUATE))
    if answers and not pending:
        pending = [PendingUpdates(state.progress, {}, {}, work.setup.seeds)]
    if pending:
        told = dataclasses.replace(pending[-1], progress=state.progress, answers=answers)
        yield Updated(phase.name, state, (*pending[:-1], told))
    if episodes is not None:
        yield Collected(phase.name, state, episodes)
    return state


def _one_after_another(
    work: Work, state: RunState, keys: IterationKeys
) -> Generator[Event, None, tuple[RunState, list[PendingUpdates]]]:
    """Collects, then updates. The last dispatch is returned, and the devices may be at work on it."""
    phase = work.phase
    if state.progress.stage == Stage.COLLECT:
        act = policy(work, work.act, state, keys.collect) if phase.collect else None
        state = begin(work, state)
        if act is not None:
            state, episodes = collect(work, state, act)
            yield Collected(phase.name, state, episodes)
    pending: list[PendingUpdates] = []
    for state, dispatch in update(work, state, keys):  # noqa: B020
        with work.stopwatch("update"):
            for before in pending:
                _ = before.metrics  # waits for the one before, while the devices have work
        pending = [dispatch]
        if state.progress.updates_due >= phase.updates_per_dispatch:
            yield Updated(phase.name, state, (dispatch,))
    return state, pending


def _at_once(
    work: Work, state: RunState, keys: IterationKeys, concurrently: bool
) -> tuple[RunState, list[PendingUpdates], list[tuple[int, Episodes]] | None]:
    """Updates and collects at the same time; the episodes are None where the phase collects nothing."""
    # Before the updates, which consume the state that acts.
    act = policy(work, work.act, state, keys.collect) if work.phase.collect else None
    state, pending, episodes = begin(work, state), [], None
    for state, dispatch in update(work, state, keys):  # noqa: B007, B020
        pending.append(dispatch)
    if not concurrently:
        with work.stopwatch("update"):
            jax.block_until_ready(state.agent)
    if act is not None:
        state, episodes = collect(work, state, act)
    return state, pending, episodes


def _until_the_end(
    work: Work, state: RunState, keys: IterationKeys, last: bool, hand_over: bool
) -> Generator[Event, None, RunState]:
    """Evaluates, where the phase has an evaluation now, and comes to the start of the next iteration."""
    phase, number = work.phase, state.progress.iteration + 1
    after = state._replace(progress=next_iteration(state.progress))
    planned, final = due(phase.checkpoint_every, number, phase.iterations), number == phase.iterations
    evaluates = work.setup.evaluation_env is not None and due(phase.evaluate_every, number, phase.iterations)
    if evaluates and hand_over:
        steps = greedy_episodes(work, state, keys.evaluate)
        yield EvaluationDue(phase.name, after, state.progress, steps, planned, final)
        planned = False
    elif evaluates:
        result = evaluate(work, state, keys.evaluate)
        while True:
            try:
                made = next(result)
            except StopIteration as end:
                evaluation = end.value
                break
            yield Evaluating(phase.name, state, made)
        yield Evaluated(phase.name, after, evaluation, final)
    yield IterationEnd(phase.name, after, planned, last)
    return after
