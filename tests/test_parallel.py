"""Gradients averaged over devices, on a problem without noise."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from rankq_jax.agents.state import Trainable, gradient_step
from rankq_jax.parallel import averaged, batch_over_devices, cross_device_mean, seeds_over_devices
from rankq_jax.types import Agent


def regression(link):
    """Least squares as an agent: its update draws nothing, so that two devices must equal one."""
    optimiser = optax.chain(*link, optax.clip_by_global_norm(0.5), optax.adam(0.1))

    def loss(weight, batch):
        observation, target = batch
        error = jnp.mean(jnp.square(observation @ weight - target))
        return error, {"error": error}

    step = gradient_step(loss, optimiser)

    def init(key, example):
        weight = jax.random.normal(key, (3,))
        return Trainable(weight, optimiser.init(weight))

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


def test_seeds_use_as_many_devices_as_divide_them():
    assert [seeds_over_devices(s, jax.devices()).devices for s in (1, 2, 3, 4)] == [1, 2, 1, 2]


def test_split_and_merge_are_inverse():
    layout = seeds_over_devices(4, jax.devices())
    value = {"a": np.arange(12.0).reshape(4, 3), "b": np.arange(4)}
    for name, leaf in layout.merge(layout.split(value)).items():
        np.testing.assert_array_equal(leaf, value[name])
