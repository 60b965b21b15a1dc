"""Agents as a run needs them: lifted over updates, seeds and devices; and their state at a new phase."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from rankq_jax.data import mixture
from rankq_jax.diagnostics import critic_diagnostics
from rankq_jax.lifting import go_on, scan_updates, vmap_seeds, with_sampling
from rankq_jax.loop.disk import batch_keys, examples
from rankq_jax.loop.keys import phase_keys
from rankq_jax.loop.state import RunState, Setup
from rankq_jax.parallel import Layout, averaged, distributed
from rankq_jax.phases import Diagnostics, Phase
from rankq_jax.types import Agent, Key, Measured

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
    ahead: bool = False,
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
      ahead: see `lifting.scan_updates`; faster on an accelerator.

    Raises:
      ValueError: if a batch would lie over all devices and the dataset on disk.
    """
    if shared_batch and on_disk:
        raise ValueError("a dataset on disk is for seeds that lie over devices, not for a shared batch")
    select = mixture.of_update if on_disk else None
    agent = scan_updates(with_sampling(agent, draw(batch_size)), updates_per_dispatch, select, ahead=ahead)
    if shared_batch:
        agent = averaged(agent)
    agent = vmap_seeds(agent, mixture.of_seed, sequential=sequential)
    return distributed(agent, layout, mixture.DISK_AXES if on_disk else mixture.DEVICE_AXES)


def lift_diagnostics(
    agent: Agent,
    layout: Layout,
    every: int,
    *,
    batch_size: int,
    draw: SamplerFactory = mixture.uniform,
    sequential: bool = False,
    on_disk: bool = False,
) -> Diagnostics | None:
    """The diagnostics of an agent's critic on the devices of `layout`, as a `Phase` takes them.

    Where a batch lies over all devices, each of them measures the same batch.

    Args:
      agent: of one seed, whose update takes one batch.
      layout: how the seeds lie on the devices.
      every: updates between two; 0: there are none.
      batch_size: rows of a batch.
      draw: as for `lift`.
      sequential: likewise.
      on_disk: likewise.

    Returns:
      None if there are none, or the agent has no critic.
    """
    diagnose, sample = critic_diagnostics(agent), draw(batch_size)
    if diagnose is None or not every:
        return None

    def one(state: Any, sources: mixture.Sources, key: Key) -> tuple[None, dict[str, Measured]]:
        own = mixture.of_update(sources, jnp.int32(0)) if on_disk else sources
        batch = sample(own, batch_keys(key)[0])
        return None, diagnose(state, batch, jax.random.fold_in(key, 1))

    as_update: Any = one  # which changes nothing
    seeded = vmap_seeds(agent._replace(update=as_update), mixture.of_seed, sequential=sequential)
    axes = mixture.DISK_AXES if on_disk else mixture.DEVICE_AXES
    measure = layout.lift(lambda *given: seeded.update(*given)[1], in_axes=(0, axes, 0))
    return Diagnostics(lambda *given: layout.merge(measure(*given)), every, sample)


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
