"""The parts of a round: collecting, keeping what was collected, and updating."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from rankq_jax.data.intake import blocks
from rankq_jax.data.mixture import Sources
from rankq_jax.envs.rollout import Act, collect
from rankq_jax.evaluation import for_all_rows
from rankq_jax.loop.state import Progress, RunState, World
from rankq_jax.metrics import finite_means
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


def counted(progress: Progress, phase: Phase, world: World) -> Progress:
    """`progress` after the environment steps of one round: known before they are made."""
    steps = phase.collect * (world.env.rows // len(world.seeds))
    before, after = progress.phase_env_steps, progress.phase_env_steps + steps
    owing = max(0, after - max(before, phase.warmup))
    return progress._replace(
        env_steps=progress.env_steps + steps,
        phase_env_steps=after,
        owed=progress.owed + phase.updates_per_step * owing,
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


class Pending(NamedTuple):
    """Updates that were handed to the devices, which may still be at work on them.

    Attributes:
      metrics: of each block, `{name: [S, K]}` in the devices' layout.
      first: updates done before the first block.
      block: K.
    """

    metrics: list[Metrics]
    first: int
    block: int


def dispatched(
    state: RunState, phase: Phase, world: World, layout: Layout, dataset: Any, keys: Key
) -> tuple[RunState, Pending]:
    """The updates that this round owes, in whole blocks; nothing waits for them, nothing is read back."""
    progress, agent = state.progress, state.agent
    ratio = np.full(len(world.seeds), phase.mixing_ratio(progress.env_steps), np.float32)
    labels = phase.labeller.columns(state.labels) if phase.labeller is not None else {}
    sources = Sources(dataset, state.buffer, layout.split(ratio), layout.split(labels))
    owed = progress.owed + phase.updates
    count = 0 if _must_wait(ratio, state.buffer, layout) else int(owed // phase.block)
    metrics = []
    for block in range(count):
        own = jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, block)
        agent, reported = phase.agent.update(agent, sources, layout.split(own))
        metrics.append(reported)
    pending = Pending(metrics, progress.updates, phase.block)
    progress = progress._replace(
        updates=progress.updates + count * phase.block, owed=owed - count * phase.block
    )
    return state._replace(agent=agent, progress=progress), pending


def means(pending: Pending, world: World, layout: Layout) -> dict[str, np.ndarray]:
    """`{name: [S]}` over all pending updates; waits for them.

    Raises:
      NumericsError: names the first metric, update and seed with a NaN or an infinity.
    """
    found = [
        finite_means(layout.merge(metrics), world.seeds, pending.first + block * pending.block)
        for block, metrics in enumerate(pending.metrics)
    ]
    return {name: np.mean([m[name] for m in found], axis=0) for name in (found[0] if found else ())}


def _must_wait(ratio: np.ndarray, buffer: Any, layout: Layout) -> bool:
    """Whether some seed has nothing to draw from: batches without offline rows, and no ended episode yet."""
    if ratio.all():
        return False  # without reading anything back from the devices
    return bool(np.any((ratio == 0.0) & (np.asarray(layout.merge(buffer.inserted)) == 0)))


def next_round(progress: Progress, phase: Phase) -> Progress:
    """`progress` at the start of the round that follows."""
    progress = progress._replace(updated=False)
    if progress.round + 1 < phase.rounds:
        return progress._replace(round=progress.round + 1)
    return progress._replace(phase=progress.phase + 1, round=0, phase_env_steps=0, owed=0.0)
