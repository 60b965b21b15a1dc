"""Devices. The only file that names pmap.

One device is D = 1 and not another code path. A `Layout` says how functions and values of S seeds are
laid over D devices; the training loop sees `[S, ...]` on the host side and opaque values on the devices.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from rankq_jax.types import Agent, Key, Metrics

AXIS = "device"


class Layout(NamedTuple):
    """How S seeds lie on devices.

    Attributes:
      lift: `(function, in_axes, donate) -> function` on the devices, for a function of all seeds of one
        device (leaves `[S / D, ...]` where `in_axes` is 0, shared where it is None).
      split: `[S, ...]` host value -> value on the devices, along the seeds.
      merge: the inverse of `split`, on the first device.
      replicate: a value -> the same value on every device.
      devices: D.
    """

    lift: Callable[..., Callable[..., Any]]
    split: Callable[[Any], Any]
    merge: Callable[[Any], Any]
    replicate: Callable[[Any], Any]
    devices: int


def _pmapped(devices: Sequence[jax.Device]) -> Callable[..., Callable[..., Any]]:
    def lift(function: Callable[..., Any], in_axes: Any, donate: Any = ()) -> Callable[..., Any]:
        return jax.pmap(function, AXIS, in_axes=in_axes, devices=devices, donate_argnums=donate)

    return lift


def _placed(value: Any, devices: Sequence[jax.Device], spec: PartitionSpec) -> Any:
    # Placed once: a host array with in_axes=None would travel again at every call.
    mesh = Mesh(np.asarray(devices), (AXIS,))
    return jax.device_put(value, NamedSharding(mesh, spec))


def seeds_over_devices(seeds: int, devices: Sequence[jax.Device]) -> Layout:
    """Independent learners: each device trains its own block of seeds, without any communication.

    Uses as many of the `devices` as divide the number of seeds evenly.
    """
    count = max(d for d in range(1, len(devices) + 1) if seeds % d == 0)
    used = list(devices)[:count]

    def split(value: Any) -> Any:
        blocks = jax.tree.map(lambda x: x.reshape(count, seeds // count, *x.shape[1:]), value)
        return _placed(blocks, used, PartitionSpec(AXIS))

    def merge(value: Any) -> Any:
        def one(x: jax.Array) -> jax.Array:
            return jax.device_put(x, used[0]).reshape(seeds, *x.shape[2:])

        return jax.tree.map(one, value)

    return Layout(
        lift=_pmapped(used),
        split=split,
        merge=merge,
        replicate=lambda value: _placed(value, used, PartitionSpec()),
        devices=count,
    )


def batch_over_devices(devices: Sequence[jax.Device]) -> Layout:
    """One learner (S = 1) on all devices, each with its share of the batch: see `averaged`."""
    used = list(devices)

    def split(value: Any) -> Any:
        copies = jax.tree.map(lambda x: jnp.stack([x] * len(used)), value)
        return _placed(copies, used, PartitionSpec(AXIS))

    def merge(value: Any) -> Any:
        # Every replica is equal; `addressable_shards` reads one without gathering the others.
        return jax.tree.map(lambda x: x.addressable_shards[0].data[0], value)

    return Layout(
        lift=_pmapped(used),
        split=split,
        merge=merge,
        replicate=lambda value: _placed(value, used, PartitionSpec()),
        devices=len(used),
    )


def cross_device_mean() -> optax.GradientTransformation:
    """First link of an optimiser chain under `averaged`: the mean gradient over devices.

    In front of a clipping link, so that the averaged gradient is clipped.
    """
    return optax.stateless(lambda gradient, params: jax.lax.pmean(gradient, AXIS))


def averaged(agent: Agent) -> Agent:
    """Data parallelism: every device draws its own samples; optimisers start with `cross_device_mean`.

    Replicas stay identical because they start identical and step by the same averaged gradients.
    """

    def update(state: Any, source: Any, key: Key) -> tuple[Any, Metrics]:
        key = jax.random.fold_in(key, jax.lax.axis_index(AXIS))
        state, metrics = agent.update(state, source, key)
        return state, jax.lax.pmean(metrics, AXIS)

    return agent._replace(update=update)


def distributed(agent: Agent, layout: Layout, data_axes: Any) -> Agent:
    """A `seeded` agent on the devices of `layout`, with the state donated to `update`.

    `act` and `mode` run on the first device, on the merged parameters that `params` returns.
    """
    return Agent(
        init=layout.lift(agent.init, in_axes=(0, None)),
        update=layout.lift(agent.update, in_axes=(0, data_axes, 0), donate=0),
        act=jax.jit(agent.act),
        mode=jax.jit(agent.mode),
        params=functools.partial(_merged_params, agent, layout),
    )


def _merged_params(agent: Agent, layout: Layout, state: Any) -> Any:
    return layout.merge(agent.params(state))
