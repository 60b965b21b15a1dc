"""Running a plan, round after round."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rankq_jax.data import buffer as ring
from rankq_jax.envs.batch import stream_seed, streams
from rankq_jax.envs.rollout import recorder
from rankq_jax.evaluation import Evaluation, evaluate
from rankq_jax.lifting import stepwise
from rankq_jax.loop import rounds
from rankq_jax.loop.state import Progress, RunState, World, portable
from rankq_jax.parallel import Layout
from rankq_jax.phases import Phase, due
from rankq_jax.timing import Stopwatch
from rankq_jax.types import Episodes, Key


class Listener(NamedTuple):
    """Where a run reports to. The loop itself writes nothing.

    Attributes:
      metrics: called once per round with `(phase name, progress, {name: [S]})`.
      episodes: called with `(progress, [(seed, Episodes)])` when training episodes end.
      evaluation: called with `(phase name, progress, Evaluation, last of the phase)`.
      checkpoint: called with a `portable` state; must copy what it keeps before it returns.
    """

    metrics: Callable[[str, Progress, dict[str, np.ndarray]], None]
    episodes: Callable[[Progress, list[tuple[int, Episodes]]], None]
    evaluation: Callable[[str, Progress, Evaluation, bool], None]
    checkpoint: Callable[[RunState], None]


def _keys(seeds: Sequence[int], *path: int) -> Key:
    """`[S]` keys: a function of the seed and of the place in the run, so resuming needs no generator."""

    def one(seed: jax.Array) -> Key:
        key = jax.random.key(seed)
        for step in path:
            key = jax.random.fold_in(key, step)
        return key

    return jax.vmap(one)(jnp.asarray(seeds, jnp.uint32))


def initial(plan: Sequence[Phase], world: World, layout: Layout) -> RunState:
    """The state before the first round. Phases with a labeller share its state."""
    dataset = jax.tree.map(jnp.asarray, world.dataset)
    labeller = next((phase.labeller for phase in plan if phase.labeller is not None), None)
    keys = layout.split(_keys(world.seeds, 0, 0))
    rows = world.env.rows // len(world.seeds)
    one = ring.init(dataset, world.capacity)
    copies = jax.tree.map(lambda x: jnp.stack([x] * len(world.seeds)), one)
    return RunState(
        agent=plan[0].agent.init(keys, layout.replicate(dataset)),
        buffer=layout.split(copies),
        env=world.env.reset(np.concatenate([streams(stream_seed(seed), rows) for seed in world.seeds])),
        recorder=recorder(world.env),
        progress=Progress(),
        labels=labeller.init(_keys(world.seeds, 0, 1), world.dataset) if labeller else (),
    )


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
      NumericsError: at the end of a round with a metric that is NaN or infinite; names metric, seed, update.
    """
    dataset = layout.replicate(jax.tree.map(jnp.asarray, world.dataset))
    add = layout.lift(jax.vmap(ring.add), in_axes=(0, 0, 0), donate=0)
    for index in range(state.progress.phase, len(plan)):
        phase = plan[index]
        act, mode = stepwise(phase.agent.act), stepwise(phase.agent.mode)
        for done in range(state.progress.round + 1, phase.rounds + 1):
            k_act, k_update, k_evaluate = (_keys(world.seeds, index + 1, done, use) for use in range(3))
            update = (phase, world, layout, dataset, k_update)
            if phase.collect:
                # Before the updates, which may start first: they consume the state that acts.
                policy = rounds.policy(act, phase, world, state, k_act)
                state = state._replace(progress=rounds.counted(state.progress, phase, world))
            if phase.overlap:
                with stopwatch("update"):
                    state, pending = rounds.dispatched(state, *update)
                    if not concurrently:
                        jax.block_until_ready(state.agent)
            if phase.collect:
                with stopwatch("collect"):
                    state, ended = rounds.collected(state, phase, world, layout, policy, add)
                listener.episodes(state.progress, ended)
            with stopwatch("update"):
                if not phase.overlap:
                    state, pending = rounds.dispatched(state, *update)
                means = rounds.means(pending, world, layout)
            if phase.labeller is not None and done in phase.labeller.rounds:
                with stopwatch("label"):
                    k_label = _keys(world.seeds, index + 1, done, 3)
                    params = phase.agent.params(state.agent)
                    labels, found = phase.labeller.label(state.labels, mode, params, world.dataset, k_label)
                state, means = state._replace(labels=labels), {**means, **found}
            state = state._replace(progress=rounds.next_round(state.progress, phase))
            if means:
                listener.metrics(phase.name, state.progress, means)
            if due(phase.evaluate_every, done, phase.rounds):
                with stopwatch("evaluate"):
                    starts = [stream_seed(seed, index, done) for seed in world.seeds]
                    greedy = rounds.policy(mode, phase, world, state, k_evaluate)
                    result = evaluate(world.evaluation_env, greedy, starts)
                listener.evaluation(phase.name, state.progress, result, done == phase.rounds)
            if due(phase.checkpoint_every, done, phase.rounds):
                listener.checkpoint(portable(state, layout))
    return state
