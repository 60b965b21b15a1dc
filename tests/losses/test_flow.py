import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from rankq_jax.losses.flow import flow_matching, generate, interpolate, sample_time


def test_the_time_is_that_of_pi0(key):
    """Check A1: P(tau <= t) = 1 - (1 - t / 0.999)^1.5, so that E[tau] = 0.999 * 0.4 = 0.3996."""
    tau = np.asarray(sample_time(key, 100_000), np.float64)
    assert tau.min() >= 0.0 and tau.max() <= 0.999
    np.testing.assert_allclose(tau.mean(), 0.3996, atol=0.005)
    found = stats.kstest(tau, lambda t: 1.0 - (1.0 - np.clip(t / 0.999, 0.0, 1.0)) ** 1.5)
    assert found.pvalue > 0.01


def test_the_uniform_time(key):
    tau = np.asarray(sample_time(key, 100_000, "uniform"), np.float64)
    assert stats.kstest(tau / 0.999, "uniform").pvalue > 0.01
    with pytest.raises(ValueError, match="distribution='gamma' must be one of beta, uniform"):
        sample_time(key, 3, "gamma")


def test_a_point_between_noise_and_data_by_hand():
    action, noise = jnp.array([[1.0, 0.0], [1.0, 2.0]]), jnp.array([[-1.0, 4.0], [0.0, 0.0]])
    found = interpolate(action, noise, jnp.array([0.25, 1.0]))
    np.testing.assert_allclose(found, [[-0.5, 3.0], [1.0, 2.0]])
    # rows (0 - 2, 0 + 4) and (0 - 1, 0 - 2): means of squares 10 and 2.5
    np.testing.assert_allclose(flow_matching(jnp.zeros((2, 2)), action, noise), [10.0, 2.5])


def test_the_oracle_field_has_no_loss(key):
    """Check A2."""
    action, noise = jax.random.normal(key, (5, 28)), jax.random.normal(jax.random.key(8), (5, 28))
    np.testing.assert_array_equal(flow_matching(action - noise, action, noise), 0.0)
    for steps in (1, 2, 10):
        found = generate(lambda x, tau: action - noise, noise, steps)
        np.testing.assert_allclose(found, action, atol=1e-5)


def test_one_step_adds_the_velocity_at_time_zero():
    start = jnp.array([[0.5, -2.0]])
    found = generate(lambda x, tau: 3.0 * x + tau[:, None] + 1.0, start, 1)
    np.testing.assert_allclose(found, 4.0 * start + 1.0)


def test_the_times_of_integration_are_k_over_the_steps():
    # dx/dtau = tau: Euler adds (0 + 1/4 + 2/4 + 3/4) / 4
    found = generate(lambda x, tau: jnp.broadcast_to(tau[:, None], x.shape), jnp.zeros((1, 3)), 4)
    np.testing.assert_allclose(found, 0.375)
