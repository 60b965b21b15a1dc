"""Devices. The only file that names pmap.

One device is D = 1 and not another code path. A `Layout` says how functions and values of S seeds are
laid over D devices; the training loop sees `[S, ...]` on the host side and opaque values on the devices.
"""

import functools
import math
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
        device (leaves `[ceil(S / D), ...]` where `in_axes` is 0, shared where it is None).
      split: `[S, ...]` host value -> value on the devices, along the seeds.
      merge: the inverse of `split`, on the first device.
      blocks: a value on the devices -> what each device holds of it, leaves `[1, s, ...]`, without a copy; in
        the order of the seeds, each seed on one device of this process.
      replicate: a value -> the same value on every device.
      devices: D.
    """

    lift: Callable[..., Callable[..., Any]]
    split: Callable[[Any], Any]
    merge: Callable[[Any], Any]
    blocks: Callable[[Any], list[Any]]
    replicate: Callable[[Any], Any]
    devices: int


def _pmapped(devices: Sequence[jax.Device]) -> Callable[..., Callable[..., Any]]:
    def lift(function: Callable[..., Any], in_axes: Any, donate: Any = ()) -> Callable[..., Any]:
        return jax.pmap(function, AXIS, in_axes=in_axes, devices=devices, donate_argnums=donate)

    return lift


def _sharding(devices: Sequence[jax.Device], spec: PartitionSpec) -> NamedSharding:
    return NamedSharding(Mesh(np.asarray(devices), (AXIS,)), spec)


def _replicated(value: Any, devices: Sequence[jax.Device]) -> Any:
    # Placed once: a host array with in_axes=None would travel again at every call.
    return jax.device_put(value, _sharding(devices, PartitionSpec()))


def _shard(value: Any, index: int) -> Any:
    """What one device of this process holds of a value that lies over devices."""

    def one(x: jax.Array) -> jax.Array:
        return sorted(x.addressable_shards, key=lambda shard: shard.index[0].start or 0)[index].data

    return jax.tree.map(one, value)


def _padded(x: Any, rows: int) -> Any:
    """`[S, ...] -> [S + rows, ...]`: copies of the last row behind the others."""
    if not rows:
        return x
    together = np.concatenate if isinstance(x, np.ndarray) else jnp.concatenate
    return together([x, *[x[-1:]] * rows])


def seeds_over_devices(seeds: int, devices: Sequence[jax.Device]) -> Layout:
    """Independent learners: each device trains its own block of seeds, without any communication.

    Blocks have `ceil(S / D)` seeds. The last one is filled up with copies of the last seed, whose results
    are thrown away; devices that would hold nothing but copies are left out.
    """
    block = math.ceil(seeds / min(len(devices), seeds))
    count = math.ceil(seeds / block)
    used, copies = list(devices)[:count], count * block - seeds

    def split(value: Any) -> Any:
        blocks = jax.tree.map(lambda x: _padded(x, copies).reshape(count, block, *x.shape[1:]), value)
        return jax.device_put(blocks, _sharding(used, PartitionSpec(AXIS)))

    def merge(value: Any) -> Any:
        def one(x: jax.Array) -> jax.Array:
            rows = jax.device_put(x, used[0]).reshape(count * block, *x.shape[2:])
            return rows[:seeds] if copies else rows

        return jax.tree.map(one, value)

    return Layout(
        lift=_pmapped(used),
        split=split,
        merge=merge,
        blocks=lambda value: [_shard(value, i) for i in range(count)],
        replicate=lambda value: _replicated(value, used),
        devices=count,
    )


def batch_over_devices(devices: Sequence[jax.Device]) -> Layout:
    """One learner (S = 1) on all devices, each with its share of the batch: see `averaged`.

    Devices may belong to several processes, which then make the same calls in the same order. A process
    gives values to its own devices and reads from them; pmap joins them to those of the others.
    """
    used = list(devices)
    own = [device for device in used if device.process_index == jax.process_index()]

    def split(value: Any) -> Any:
        sharding = _sharding(own, PartitionSpec(AXIS))

        def one(x: Any) -> jax.Array:
            copies = [jax.device_put(x[None], device) for device in own]
            return jax.make_array_from_single_device_arrays((len(own), *x.shape), sharding, copies)

        return jax.tree.map(one, value)

    def merge(value: Any) -> Any:
        # Every replica is equal; `addressable_shards` reads one without gathering the others.
        return jax.tree.map(lambda x: x.addressable_shards[0].data[0], value)

    return Layout(
        lift=_pmapped(used),
        split=split,
        merge=merge,
        blocks=lambda value: [_shard(value, 0)],
        replicate=lambda value: _replicated(value, own),
        devices=len(used),
    )


def cross_device_mean() -> optax.GradientTransformation:
    """First link of an optimizer chain under `averaged`: the mean gradient over devices.

    In front of a clipping link, so that the averaged gradient is clipped.
    """
    return optax.stateless(lambda gradient, params: jax.lax.pmean(gradient, AXIS))


def averaged(agent: Agent) -> Agent:
    """Data parallelism: every device draws its own samples; optimizers start with `cross_device_mean`.

    Replicas stay identical because they start identical and step by the same averaged gradients.
    """

    def update(state: Any, source: Any, key: Key) -> tuple[Any, Metrics]:
        key = jax.random.fold_in(key, jax.lax.axis_index(AXIS))
        state, metrics = agent.update(state, source, key)
        return state, jax.lax.pmean(metrics, AXIS)

    return agent._replace(update=update)


def distributed(agent: Agent, layout: Layout, data_axes: Any) -> Agent:
    """A `seeded` agent on the devices of `layout`, with the state donated to `update`.

    `act` and `act_greedy` run on the first device, on the merged parameters that `params` returns.
    """
    return agent._replace(
        init=layout.lift(agent.init, in_axes=(0, None)),
        update=layout.lift(agent.update, in_axes=(0, data_axes, 0), donate=0),
        act=jax.jit(agent.act),
        act_greedy=jax.jit(agent.act_greedy),
        params=functools.partial(_merged_params, agent, layout),
    )


def _merged_params(agent: Agent, layout: Layout, state: Any) -> Any:
    return layout.merge(agent.params(state))
