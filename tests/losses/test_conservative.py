import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rankq_jax.losses import calibrate, log_sum_exp_gap


def test_gap_with_importance_sampling_by_hand():
    q = jnp.array([[[1.0, 2.0]]])  # one member, one row, two sampled actions
    log_density = jnp.array([[math.log(0.5), math.log(0.25)]])
    gap = log_sum_exp_gap(q, jnp.array([[0.5]]), log_density)
    # log(e^1 / 0.5 + e^2 / 0.25) - 0.5; no division by the number of samples
    np.testing.assert_allclose(gap, [[math.log(2 * math.e + 4 * math.e**2) - 0.5]], rtol=1e-6)


def test_gap_without_importance_sampling_holds_the_data_action():
    gap = log_sum_exp_gap(jnp.array([[[1.0, 2.0]]]), jnp.array([[0.5]]))
    expected = math.log(math.e + math.e**2 + math.exp(0.5)) - 0.5
    np.testing.assert_allclose(gap, [[expected]], rtol=1e-6)


def test_temperature():
    gap = log_sum_exp_gap(jnp.array([[[1.0, 2.0]]]), jnp.array([[0.0]]), jnp.zeros((1, 2)), 2.0)
    np.testing.assert_allclose(gap, [[2 * math.log(math.exp(0.5) + math.e)]], rtol=1e-6)


def test_equal_values_and_a_uniform_proposal():
    # N actions of density 1/4 in a square of area 4, all with value v: log(N * 4) whatever v is
    gap = log_sum_exp_gap(jnp.full((2, 3, 10), 7.0), jnp.full((2, 3), 7.0), jnp.full((3, 10), -math.log(4)))
    np.testing.assert_allclose(gap, np.full((2, 3), math.log(40)), rtol=1e-6)


def test_calibration_is_a_floor_whose_gradient_stops_below():
    q = jnp.array([[[1.0, 5.0]]])
    np.testing.assert_array_equal(calibrate(q, jnp.array([3.0])), [[[3.0, 5.0]]])
    gradient = jax.grad(lambda q: jnp.sum(calibrate(q, jnp.array([3.0]))))(q)
    np.testing.assert_array_equal(gradient, [[[0.0, 1.0]]])


def test_a_floor_of_minus_infinity_does_nothing():
    q = jnp.array([[[-1e6, 2.0]]])
    np.testing.assert_array_equal(calibrate(q, jnp.array([-jnp.inf])), q)


@pytest.mark.parametrize("scale", [-1e6, 1e6])
def test_extreme_values_stay_finite(scale):
    def loss(q):
        return jnp.sum(log_sum_exp_gap(q, jnp.zeros((1, 1)), jnp.zeros((1, 2))))

    q = jnp.array([[[scale, -scale]]])
    assert np.isfinite(loss(q))
    assert np.isfinite(jax.grad(loss)(q)).all()


def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(AssertionError):
        log_sum_exp_gap(jnp.zeros((2, 3, 4)), jnp.zeros((2, 3)), jnp.zeros((3, 1)))
    with pytest.raises(AssertionError):
        calibrate(jnp.zeros((2, 3, 4)), jnp.zeros((3, 1)))
