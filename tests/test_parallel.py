"""Seeds and batches over devices, held to one device that has all of them."""

import subprocess
import sys
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rankq_jax.agents.state import Trainable, gradient_step
from rankq_jax.lifting import vmap_seeds
from rankq_jax.parallel import (
    averaged,
    batch_over_devices,
    cross_device_mean,
    distributed,
    seeds_over_devices,
)
from rankq_jax.types import Agent
from tests.conftest import make_agent

ROOT = Path(__file__).resolve().parent.parent


def regression(link):
    """Least squares as an agent: its update draws nothing, so that two devices must equal one."""
    optimizer = optax.chain(*link, optax.clip_by_global_norm(0.5), optax.adam(0.1))

    def loss(weight, batch):
        observation, target = batch
        error = jnp.mean(jnp.square(observation @ weight - target))
        return error, {"error": error}

    step = gradient_step(loss, optimizer)

    def init(key, example):
        weight = jax.random.normal(key, (3,))
        return Trainable(weight, optimizer.init(weight))

    return Agent(init, lambda state, batch, key: step(state, batch), None, None, lambda s: s.params)


def test_the_mean_of_two_halves_is_the_whole(key):
    random = np.random.default_rng(0)
    observation = jnp.asarray(random.normal(size=(8, 3)), jnp.float32)
    target = jnp.asarray(random.normal(size=8), jnp.float32)
    alone = regression([])
    state = alone.init(key, None)
    update = jax.jit(alone.update)
    for _ in range(5):
        state, metrics = update(state, (observation, target), key)

    split = averaged(regression([cross_device_mean()]))
    layout = batch_over_devices(jax.devices())
    spread = layout.lift(split.update, in_axes=(0, 0, None), donate=0)
    both = layout.split(split.init(key, None))
    halves = (observation.reshape(2, 4, 3), target.reshape(2, 4))
    for _ in range(5):
        both, spread_metrics = spread(both, halves, key)
    first, second = (np.asarray(shard.data[0]) for shard in both.params.addressable_shards)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first, state.params, rtol=1e-5)
    np.testing.assert_allclose(spread_metrics["error"][0], metrics["error"], rtol=1e-5)


def test_devices_draw_different_samples(key):
    noise = Agent(None, lambda s, batch, k: (s, {"noise": jax.random.normal(k)}), None, None, None)

    def both(state, batch, k):
        _, metrics = averaged(noise).update(state, batch, k)
        return state, metrics

    layout = batch_over_devices(jax.devices())
    _, metrics = layout.lift(both, in_axes=(0, None, None))(jnp.zeros(2), None, key)
    each = [float(jax.random.normal(jax.random.fold_in(key, i))) for i in range(2)]
    assert each[0] != each[1]
    np.testing.assert_allclose(metrics["noise"][0], np.mean(each), rtol=1e-6)


def test_seeds_use_as_many_devices_as_get_seeds_of_their_own():
    # 5 seeds over 4 devices: blocks of 2, 2 and 1, so that a fourth would hold nothing
    devices = jax.devices()[:1] * 8  # how many is all that counts here
    for available, expected in {1: [1] * 6, 2: [1, 2, 2, 2, 2, 2], 4: [1, 2, 3, 4, 3, 3]}.items():
        found = [seeds_over_devices(seeds, devices[:available]).devices for seeds in range(1, 7)]
        assert found == expected
    assert seeds_over_devices(9, devices).devices == 5


@pytest.mark.parametrize("seeds", [1, 3, 4])
def test_split_and_merge_are_inverse(seeds):
    layout = seeds_over_devices(seeds, jax.devices())
    value = {"a": np.arange(3.0 * seeds).reshape(seeds, 3), "b": jnp.arange(seeds)}
    for name, leaf in layout.merge(layout.split(value)).items():
        np.testing.assert_array_equal(leaf, value[name])
    keys = jax.vmap(jax.random.key)(jnp.arange(seeds))
    same = jax.random.key_data(layout.merge(layout.split(keys)))
    np.testing.assert_array_equal(same, jax.random.key_data(keys))


@pytest.mark.parametrize("sequential", [False, True])
def test_three_seeds_on_two_devices_train_to_the_same_as_on_one(batch, sequential):
    keys = jax.vmap(jax.random.key)(jnp.arange(3, dtype=jnp.uint32))
    agent = vmap_seeds(make_agent("sac", rule=optax.sgd), sequential=sequential)
    results = []
    for devices in (jax.devices()[:1], jax.devices()):
        layout = seeds_over_devices(3, devices)
        spread = distributed(agent, layout, data_axes=None)
        shared = layout.replicate(batch)
        states = spread.init(layout.split(keys), shared)
        for _ in range(3):
            states, metrics = spread.update(states, shared, layout.split(keys))
        results.append(jax.device_get((layout.merge(states), layout.merge(metrics))))
    assert jax.tree.leaves(results[1])[0].shape[0] == 3
    # Products of three seeds at once are added in another order than those of two: the rounding of float32.
    chex.assert_trees_all_close(*results, rtol=1e-4, atol=1e-6)


SHARDS = """
import jax
jax.config.update("jax_num_cpu_devices", 8)
import chex, optax, jax.numpy as jnp
from rankq_jax.lifting import vmap_seeds
from rankq_jax.parallel import averaged, batch_over_devices, cross_device_mean
from rankq_jax.parallel import distributed, seeds_over_devices
from tests.conftest import make_agent, make_batch

jax.config.update("jax_num_cpu_devices", 8)
assert len(jax.devices()) == 8
batch = jax.tree.map(jnp.asarray, make_batch(rows=16))
key = jax.random.key(0)

# One learner: the mean over the shards is the mean over the whole batch.
whole = make_agent("iql")
start = whole.init(key, batch)
alone = start
for _ in range(3):
    alone, metrics = jax.jit(whole.update)(alone, batch, key)
for count in (2, 4, 8):
    layout = batch_over_devices(jax.devices()[:count])
    update = layout.lift(averaged(make_agent("iql", cross_device_mean())).update, in_axes=(0, 0, None))
    state = layout.split(make_agent("iql", cross_device_mean()).init(key, batch))
    shards = jax.tree.map(lambda x: x.reshape(count, -1, *x.shape[1:]), batch)
    for _ in range(3):
        state, shared = update(state, shards, key)
    merged = jax.device_get(layout.merge(state))
    for part in ("actor", "critic", "value"):
        mine, others = getattr(merged, part).params, getattr(alone, part).params
        chex.assert_trees_all_close(mine, jax.device_get(others), rtol=1e-4, atol=1e-5)
    # A norm is taken before the mean; everything else is a mean over rows.
    names = [name for name in metrics if "gradient_norm" not in name]
    means = jax.device_get(layout.merge(shared))
    chex.assert_trees_all_close(*({n: d[n] for n in names} for d in (means, jax.device_get(metrics))),
                                rtol=1e-4, atol=1e-5)

# Five independent learners: blocks of ceil(5 / D).
keys = jax.random.split(key, 5)
results = []
for count in (1, 4, 8):
    layout = seeds_over_devices(5, jax.devices()[:count])
    spread = distributed(vmap_seeds(make_agent("iql", rule=optax.sgd)), layout, data_axes=None)
    shared = layout.replicate(batch)
    state, _ = spread.update(spread.init(layout.split(keys), shared), shared, layout.split(keys))
    results.append(jax.device_get(layout.merge(state)))
for spread in results[1:]:
    chex.assert_trees_all_close(spread, results[0], rtol=1e-4, atol=1e-6)
"""


def test_shards_of_a_batch_and_blocks_of_seeds_on_up_to_eight_devices():
    done = subprocess.run(
        [sys.executable, "-c", SHARDS], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
