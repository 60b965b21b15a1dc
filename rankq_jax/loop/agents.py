"""The agent's state where one phase follows another, and the random keys of a place in a run."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from rankq_jax.lifting import go_on
from rankq_jax.loop.state import RunState, World
from rankq_jax.parallel import Layout
from rankq_jax.phases import Phase
from rankq_jax.types import Key


def keys_of(seeds: Sequence[int], *path: int, attempt: int = 0) -> Key:
    """`[S]` keys: a function of the seed and of the place in the run, so resuming needs no generator.

    Another `attempt` at the same place has other keys, lest it ends the same.
    """
    steps = path if attempt == 0 else (*path, attempt)

    def one(seed: jax.Array) -> Key:
        key = jax.random.key(seed)
        for step in steps:
            key = jax.random.fold_in(key, step)
        return key

    return jax.vmap(one)(jnp.asarray(seeds, jnp.uint32))


def at_phase(plan: Sequence[Phase], world: World, layout: Layout, state: RunState, index: int) -> RunState:
    """`state` with the agent's state that the phase `index` goes on from, after all phases before it.

    The keys of what a later agent adds are those of a round 0, which no phase has.

    Args:
      plan: the phases.
      world: of the run.
      layout: of the run.
      state: of the phase in its progress.
      index: of that phase or a later one.
    """
    agent = state.agent
    for later in range(state.progress.phase + 1, index + 1):
        keys = layout.split(keys_of(world.seeds, later + 1, 0, attempt=state.progress.attempt))
        dataset = layout.replicate(jax.tree.map(jnp.asarray, world.dataset))
        agent = go_on(plan[later].agent, agent, keys, dataset)
    return state._replace(agent=agent)
