"""An agent as a run needs it: many updates a call, from batches that it draws itself, on all devices."""

from collections.abc import Callable

from rankq_jax.data import mixture
from rankq_jax.lifting import scan_updates, vmap_seeds, with_sampling
from rankq_jax.parallel import Layout, averaged, distributed
from rankq_jax.types import Agent, Key, Transition

Draw = Callable[[int], Callable[[mixture.Sources, Key], Transition]]  # rows of a batch -> how it is drawn


def lift(
    agent: Agent,
    layout: Layout,
    *,
    batch_size: int,
    updates_per_dispatch: int,
    draw: Draw = mixture.uniform,
    sequential: bool = False,
    shared_batch: bool = False,
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
    """
    agent = scan_updates(with_sampling(agent, draw(batch_size)), updates_per_dispatch)
    if shared_batch:
        agent = averaged(agent)
    agent = vmap_seeds(agent, mixture.of_seed, sequential=sequential)
    return distributed(agent, layout, mixture.DEVICE_AXES)
