"""The parts of an iteration, in their order: collect, update, relabel, evaluate."""

import dataclasses
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np

from rankq_jax import metrics
from rankq_jax.data.intake import blocks
from rankq_jax.data.mixture import Sources
from rankq_jax.envs import rollout
from rankq_jax.envs.rollout import Act
from rankq_jax.envs.streams import stream_seed
from rankq_jax.evaluation import Evaluation, evaluating, for_all_rows
from rankq_jax.loop import disk
from rankq_jax.loop.event import PendingUpdates
from rankq_jax.loop.keys import IterationKeys
from rankq_jax.loop.state import Progress, RunState, Setup, Stage
from rankq_jax.parallel import Layout
from rankq_jax.phases import Phase
from rankq_jax.timing import Stopwatch
from rankq_jax.types import Episodes, Key, Measured


class Work(NamedTuple):
    """What all iterations of a phase have in common.

    Attributes:
      phase: the phase.
      setup: environments and data.
      layout: how seeds lie on devices.
      dataset: the offline data on the devices; None where it stays on disk.
      act: the exploring policy, from `lifting.jit_act`.
      mode: the greedy policy, likewise.
      add: `buffer.add` on the devices.
      stopwatch: what the parts take.
      draw_rows: from `disk.row_drawers`; None where the dataset is in memory.
      draw_diagnosed: likewise, for diagnostics.
    """

    phase: Phase
    setup: Setup
    layout: Layout
    dataset: Any
    act: Callable[..., jax.Array]
    mode: Callable[..., jax.Array]
    add: Callable[..., Any]
    stopwatch: Stopwatch
    draw_rows: Callable[..., np.ndarray] | None = None
    draw_diagnosed: Callable[..., np.ndarray] | None = None


def policy(work: Work, step: Callable[..., jax.Array], state: RunState, keys: Key) -> Act:
    """The policies of all seeds as they are now: what `rollout.collect` calls.

    Their parameters are a copy, on the device that acts, which outlives `state`.
    """
    setup, params = work.setup, work.phase.agent.params(state.agent)
    if setup.acting is None:
        params = jax.tree.map(lambda x: x.copy(), params)
    else:
        params = jax.device_put(params, setup.acting, may_alias=False)
        keys = jax.device_put(keys, setup.acting)
    return for_all_rows(step, params, keys, len(setup.seeds))


def begin(work: Work, state: RunState) -> RunState:
    """`state` with the environment steps of one iteration counted, and the updates that are due for them.

    Both are known before the steps are made.
    """
    phase, progress = work.phase, state.progress
    steps = phase.collect * (work.setup.env.rows // len(work.setup.seeds))
    before, after = progress.phase_env_steps, progress.phase_env_steps + steps
    counted = max(0, after - max(before, phase.warmup))
    progress = progress._replace(
        env_steps=progress.env_steps + steps,
        phase_env_steps=after,
        updates_due=progress.updates_due + phase.updates + phase.updates_per_step * counted,
        stage=Stage.UPDATE,
    )
    return state._replace(progress=progress)


def collect(work: Work, state: RunState, act: Act) -> tuple[RunState, list[tuple[int, Episodes]]]:
    """The environment steps of one iteration.

    Episodes reach the buffers when they have ended, labeled as a whole.

    Args:
      work: of the phase.
      state: of the run; its recorder is written to.
      act: the exploring policies.

    Returns:
      The state and the episodes that have ended, each with the index of its seed.
    """
    setup, layout = work.setup, work.layout
    seeds, rows = len(setup.seeds), setup.env.rows // len(setup.seeds)
    with work.stopwatch("collect"):
        found = rollout.collect(setup.env, state.env, state.recorder, act, work.phase.collect)
        ended = [(row // rows, episode) for row, episode in found.episodes]
        buffer = state.buffer
        for block, counts in blocks(ended, seeds, setup.prepare, setup.dataset, setup.capacity):
            buffer = work.add(buffer, layout.split(block), layout.split(counts))
    return state._replace(buffer=buffer, env=found.state, recorder=found.recorder), ended


def update(work: Work, state: RunState, keys: IterationKeys) -> Iterator[tuple[RunState, PendingUpdates]]:
    """The updates that the iteration still has to make, one dispatch after another.

    Nothing waits for the devices. Nothing is read back from them, but for the numbers of the rows that are
    drawn from a dataset on disk.
    """
    count = _dispatches_due(work, state)
    if count == 0:
        return
    sources = _sources(work, state)
    each: Iterable[Sources] = [sources] * count
    if work.draw_rows is not None:
        each = _read_ahead(work, state, sources, keys.update, count)
    for own in each:
        before = state.progress
        with work.stopwatch("update"):
            state, pending = dispatch_updates(state, work, own, keys.update)
            found = diagnose(state, work, sources, keys.diagnose, before)
            pending = dataclasses.replace(pending, diagnostics=found)
        yield state, pending


def relabel(work: Work, state: RunState, keys: Key) -> tuple[RunState, dict[str, np.ndarray]]:
    """New columns of the dataset where the phase has them now, and metrics of it, `{name: [S]}`."""
    relabeler = work.phase.relabeler
    if relabeler is None or state.progress.iteration + 1 not in relabeler.iterations:
        return state, {}
    with work.stopwatch("label"):
        params = work.phase.agent.params(state.agent)
        labels, answers = relabeler.relabel(state.labels, work.mode, params, work.setup.dataset, keys)
    return state._replace(labels=labels), answers


def greedy_episodes(work: Work, state: RunState, keys: Key) -> Generator[int, None, Evaluation]:
    """Those of every seed, of the policies as they are now; see `evaluation.evaluating`."""
    greedy, progress = policy(work, work.mode, state, keys), state.progress
    starts = [stream_seed(seed, progress.phase, progress.iteration + 1) for seed in work.setup.seeds]
    env = work.setup.evaluation_env
    assert env is not None  # nobody asks for an evaluation without one
    return evaluating(env, greedy, starts, work.setup.measure)


def evaluate(work: Work, state: RunState, keys: Key) -> Generator[int, None, Evaluation]:
    """As `greedy_episodes`, timed."""
    steps = greedy_episodes(work, state, keys)
    while True:
        with work.stopwatch("evaluate"):
            try:
                count = next(steps)
            except StopIteration as end:
                return cast(Evaluation, end.value)
        yield count


def _dispatches_due(work: Work, state: RunState) -> int:
    """Dispatches that this iteration still has to make.

    There are none while some seed has nothing to draw from: no offline rows in its batches, and no ended
    episode yet.
    """
    ratio = work.phase.mixing_ratio(state.progress.env_steps)
    # Where there are offline rows nothing is read back from the devices.
    if ratio == 0.0 and (np.asarray(work.layout.merge(state.buffer.inserted)) == 0).any():
        return 0
    return int(state.progress.updates_due // work.phase.updates_per_dispatch)


def _sources(work: Work, state: RunState) -> Sources:
    """What the updates of this iteration draw from."""
    phase, layout = work.phase, work.layout
    ratio = np.full(len(work.setup.seeds), phase.mixing_ratio(state.progress.env_steps), np.float32)
    labels = phase.relabeler.columns(state.labels) if phase.relabeler is not None else {}
    if work.draw_rows is None:
        return Sources(work.dataset, state.buffer, layout.split(ratio), layout.split(labels))
    recorded = layout.replicate(jnp.int32(len(work.setup.dataset.reward)))
    return Sources(cast(Any, None), state.buffer, layout.split(ratio), {}, recorded)


def _read_ahead(work: Work, state: RunState, sources: Sources, keys: Key, count: int) -> Iterator[Sources]:
    """`sources` with the rows of a dataset on disk that each of `count` dispatches draws."""
    first, layout = state.progress.dispatches, work.layout
    own = jax.vmap(lambda i: jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, i))(
        jnp.arange(first, first + count)
    )
    assert work.draw_rows is not None  # a phase on a dataset that is not in memory has it
    for window in disk.read_ahead(work.setup.dataset, work.draw_rows(sources, own)):
        yield sources._replace(offline=layout.split(window))


def dispatch_updates(
    state: RunState, work: Work, sources: Sources, keys: Key
) -> tuple[RunState, PendingUpdates]:
    """The next updates of this iteration, handed to the devices."""
    progress, count, layout = state.progress, work.phase.updates_per_dispatch, work.layout
    own = _of_dispatch(keys, progress)
    agent, each = work.phase.agent.update(state.agent, sources, layout.split(own))
    progress = progress._replace(
        updates=progress.updates + count,
        updates_due=progress.updates_due - count,
        dispatches=progress.dispatches + 1,
    )
    merged = layout.merge(each)
    # Started behind these updates and before the next ones: who reads the means waits for nothing later.
    pending = PendingUpdates(progress, merged, metrics.means(merged), work.setup.seeds)
    return state._replace(agent=agent, progress=progress), pending


def _of_dispatch(keys: Key, progress: Progress) -> Key:
    """`[S]`: the keys of the next dispatch."""
    return jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, progress.dispatches)


def diagnose(
    state: RunState, work: Work, sources: Sources, keys: Key, before: Progress
) -> dict[str, Measured]:
    """Diagnostics behind a dispatch that began at `before`, handed to the devices; empty if none are due."""
    chosen, layout = work.phase.diagnostics, work.layout
    if chosen is None or not chosen.due(before.updates, state.progress.updates):
        return {}
    own = _of_dispatch(keys, before)
    if work.draw_diagnosed is not None:
        rows = work.draw_diagnosed(sources, own[None])
        sources = sources._replace(offline=layout.split(disk.read(work.setup.dataset, rows[0])))
    return chosen.measure(state.agent, sources, layout.split(own))


def next_iteration(progress: Progress) -> Progress:
    """`progress` at the start of the iteration that follows; after the last one of a phase that is its end.

    The updates that are due stay due there, so that the phase may be made longer.
    """
    return progress._replace(iteration=progress.iteration + 1, stage=Stage.COLLECT, dispatches=0)


def enter_phase(progress: Progress, index: int) -> Progress:
    """`progress` at the start of a later phase; as it is in the phase that it is in."""
    if progress.phase == index:
        return progress
    return progress._replace(phase=index, iteration=0, phase_env_steps=0, updates_due=0.0)
