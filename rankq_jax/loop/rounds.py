"""The parts of a round: collecting, keeping what was collected, and updating."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from rankq_jax import metrics as of_updates
from rankq_jax.data.intake import blocks
from rankq_jax.data.mixture import Sources
from rankq_jax.envs.rollout import Act, collect
from rankq_jax.evaluation import for_all_rows
from rankq_jax.loop.state import Progress, RunState, World
from rankq_jax.parallel import Layout
from rankq_jax.phases import Phase
from rankq_jax.types import Episodes, Key, Metrics


def acting(phase: Phase, world: World, state: RunState) -> Any:
    """What acting needs of the agent, `[S, ...]`, on the device that acts; a copy that outlives `state`."""
    params = phase.agent.params(state.agent)
    if world.acting is None:
        return jax.tree.map(lambda x: x.copy(), params)
    return jax.device_put(params, world.acting, may_alias=False)


def policy(act: Callable[..., jax.Array], phase: Phase, world: World, state: RunState, keys: Key) -> Act:
    """The policies of all seeds as they are now: what `rollout.collect` calls during a round."""
    own = keys if world.acting is None else jax.device_put(keys, world.acting)
    return for_all_rows(act, acting(phase, world, state), own, len(world.seeds))


def begun(progress: Progress, phase: Phase, world: World) -> Progress:
    """`progress` with the environment steps of one round and what is owed for them: known before they are
    made."""
    steps = phase.collect * (world.env.rows // len(world.seeds))
    before, after = progress.phase_env_steps, progress.phase_env_steps + steps
    owing = max(0, after - max(before, phase.warmup))
    return progress._replace(
        env_steps=progress.env_steps + steps,
        phase_env_steps=after,
        owed=progress.owed + phase.updates + phase.updates_per_step * owing,
        begun=True,
    )


def collected(
    state: RunState,
    phase: Phase,
    world: World,
    layout: Layout,
    act: Act,
    add: Callable[..., Any],
) -> tuple[RunState, list[tuple[int, Episodes]]]:
    """One round of environment steps. Episodes reach the buffers when they end, labelled as a whole."""
    seeds = len(world.seeds)
    rows = world.env.rows // seeds
    found = collect(world.env, state.env, state.recorder, act, phase.collect)
    ended = [(row // rows, episode) for row, episode in found.episodes]
    buffer = state.buffer
    for block, counts in blocks(ended, seeds, world.prepare, world.dataset, world.capacity):
        buffer = add(buffer, layout.split(block), layout.split(counts))
    return state._replace(buffer=buffer, env=found.state, recorder=found.recorder), ended


def owed(state: RunState, phase: Phase, layout: Layout) -> int:
    """Dispatches that this round owes still; none while some seed has nothing to draw from: batches without
    offline rows, and no ended episode yet."""
    ratio = phase.mixing_ratio(state.progress.env_steps)
    # Where there are offline rows nothing is read back from the devices.
    if ratio == 0.0 and (np.asarray(layout.merge(state.buffer.inserted)) == 0).any():
        return 0
    return int(state.progress.owed // phase.block)


def sources_of(state: RunState, phase: Phase, world: World, layout: Layout, dataset: Any) -> Sources:
    """What the updates of this round draw from."""
    ratio = np.full(len(world.seeds), phase.mixing_ratio(state.progress.env_steps), np.float32)
    labels = phase.labeller.columns(state.labels) if phase.labeller is not None else {}
    return Sources(dataset, state.buffer, layout.split(ratio), layout.split(labels))


class Dispatch(NamedTuple):
    """Updates that were handed to the devices, which may still be at work on them.

    Attributes:
      metrics: `{name: [S, K]}`.
      means: `{name: [S]}`, over the updates.
      progress: when they are done.
    """

    metrics: Metrics
    means: Metrics
    progress: Progress


def dispatched(
    state: RunState, phase: Phase, sources: Sources, layout: Layout, keys: Key
) -> tuple[RunState, Dispatch]:
    """The next block of the updates that this round owes; nothing waits for them, nothing is read back."""
    progress = state.progress
    own = jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, progress.dispatches)
    agent, metrics = phase.agent.update(state.agent, sources, layout.split(own))
    progress = progress._replace(
        updates=progress.updates + phase.block,
        owed=progress.owed - phase.block,
        dispatches=progress.dispatches + 1,
    )
    merged = layout.merge(metrics)
    # Started behind these updates and before the next ones: who reads the means waits for nothing later.
    dispatch = Dispatch(merged, of_updates.means(merged), progress)
    return state._replace(agent=agent, progress=progress), dispatch


def next_round(progress: Progress) -> Progress:
    """`progress` at the start of the round that follows; after the last one of a phase that is its end.

    What the phase owes is kept there, so that the phase may be made longer.
    """
    return progress._replace(round=progress.round + 1, begun=False, dispatches=0, updated=False)


def in_phase(progress: Progress, index: int) -> Progress:
    """`progress` at the start of a later phase; as it is in the phase that it is in."""
    if progress.phase == index:
        return progress
    return progress._replace(phase=index, round=0, phase_env_steps=0, owed=0.0)
