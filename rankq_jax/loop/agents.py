"""The agent's state where one phase follows another."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from rankq_jax.lifting import go_on
from rankq_jax.loop.keys import phase_keys
from rankq_jax.loop.state import RunState, Setup
from rankq_jax.parallel import Layout
from rankq_jax.phases import Phase


def at_phase(plan: Sequence[Phase], setup: Setup, layout: Layout, state: RunState, index: int) -> RunState:
    """`state` with the agent's state that the phase `index` goes on from, after all phases before it.

    Args:
      plan: the phases.
      setup: environments and data.
      layout: how seeds lie on devices.
      state: of the phase in its progress.
      index: of that phase or a later one.
    """
    agent = state.agent
    for later in range(state.progress.phase + 1, index + 1):
        keys = layout.split(phase_keys(setup.seeds, later, state.progress.attempt))
        dataset = layout.replicate(jax.tree.map(jnp.asarray, setup.dataset))
        agent = go_on(plan[later].agent, agent, keys, dataset)
    return state._replace(agent=agent)
