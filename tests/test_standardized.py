"""Observations seen through the mean and deviation of a dataset."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rankq_jax.agents import td3_bc
from rankq_jax.lifting import jit_agent, normalize_observations
from tests.conftest import make_batch, make_parts


@pytest.fixture(scope="module")
def data():
    batch = jax.tree.map(jnp.asarray, make_batch(3, 64))
    far = 5.0 + 3.0 * batch.observation, 5.0 + 3.0 * batch.next_observation
    return batch._replace(observation=far[0], next_observation=far[1])


def test_the_wrapped_agent_sees_standardized_observations(data, key):
    plain = td3_bc(*make_parts(family="td3"))
    agent = jit_agent(normalize_observations(plain))
    state = agent.init(key, data)
    raw = np.asarray(data.observation, np.float64)
    mean, deviation = raw.mean(axis=0), raw.std(axis=0) + 1e-3
    np.testing.assert_allclose(state.mean, mean, rtol=1e-5)
    np.testing.assert_allclose(state.deviation, deviation, rtol=1e-5)
    seen = data._replace(
        observation=jnp.asarray((raw - mean) / deviation, jnp.float32),
        next_observation=jnp.asarray((np.asarray(data.next_observation) - mean) / deviation, jnp.float32),
    )
    inner = jax.tree.map(jnp.copy, state.inner)
    params = jax.tree.map(jnp.copy, agent.params(state))
    new, _ = agent.update(state, data, key)
    expected, _ = jax.jit(plain.update)(inner, seen, key)
    chex.assert_trees_all_close(new.inner, expected, rtol=1e-4, atol=1e-5)
    assert int(new.step) == 1
    # acting and evaluating go through the same transform, from raw observations
    for ours, theirs in ((agent.act_greedy, plain.act_greedy), (agent.act, plain.act)):
        np.testing.assert_allclose(
            ours(params, data.observation, key),
            theirs(plain.params(inner), seen.observation, key),
            rtol=1e-4,
            atol=1e-5,
        )


def test_the_statistics_are_in_the_state_and_stay(data, key):
    agent = jit_agent(normalize_observations(td3_bc(*make_parts(family="td3"))))
    state = agent.init(key, data)
    mean = np.asarray(state.mean)
    other = data._replace(observation=data.observation + 100.0)
    new, _ = agent.update(state, other, key)
    np.testing.assert_array_equal(new.mean, mean)
