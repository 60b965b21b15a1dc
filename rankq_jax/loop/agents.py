"""Agents as a run needs them: lifted over updates, seeds and devices; and their state at a new phase."""

from collections.abc import Callable, Sequence

from rankq_jax.data import mixture
from rankq_jax.lifting import go_on, scan_updates, vmap_seeds, with_sampling
from rankq_jax.loop.disk import examples
from rankq_jax.loop.keys import phase_keys
from rankq_jax.loop.state import RunState, Setup
from rankq_jax.parallel import Layout, averaged, distributed
from rankq_jax.phases import Phase
from rankq_jax.types import Agent

SamplerFactory = Callable[[int], mixture.Sampler]  # rows of a batch -> how it is drawn


def lift(
    agent: Agent,
    layout: Layout,
    *,
    batch_size: int,
    updates_per_dispatch: int,
    draw: SamplerFactory = mixture.uniform,
    sequential: bool = False,
    shared_batch: bool = False,
    on_disk: bool = False,
) -> Agent:
    """`agent` on the devices of `layout`, as a `Phase` takes it.

    Args:
      agent: of one seed, whose update takes one batch.
      layout: how the seeds lie on the devices.
      batch_size: rows that a device draws for an update.
      updates_per_dispatch: updates of one call.
      draw: `batch_size -> (sources, key) -> Transition`.
      sequential: see `lifting.vmap_seeds`; faster on CPU.
      shared_batch: one seed, whose batch lies over all devices: see `parallel.averaged`.
      on_disk: whether the dataset stays on disk: see `loop.disk`.

    Raises:
      ValueError: if a batch would lie over all devices and the dataset on disk.
    """
    if shared_batch and on_disk:
        raise ValueError("a dataset on disk is for seeds that lie over devices, not for a shared batch")
    select = mixture.of_update if on_disk else None
    agent = scan_updates(with_sampling(agent, draw(batch_size)), updates_per_dispatch, select)
    if shared_batch:
        agent = averaged(agent)
    agent = vmap_seeds(agent, mixture.of_seed, sequential=sequential)
    return distributed(agent, layout, mixture.DISK_AXES if on_disk else mixture.DEVICE_AXES)


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
        dataset = layout.replicate(examples(setup.dataset))
        agent = go_on(plan[later].agent, agent, keys, dataset)
    return state._replace(agent=agent)
