import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rankq_jax.losses import entropy_regularised, temperature_dual


def test_entropy_regularised_by_hand():
    loss = entropy_regularised(jnp.array([-1.0, 2.0]), jnp.array([3.0, 4.0]), jnp.float32(0.5))
    np.testing.assert_allclose(loss, [0.5 * -1.0 - 3.0, 0.5 * 2.0 - 4.0])


def test_temperature_rises_when_the_policy_is_too_sure():
    # mean log density 3 is an entropy of -3, below the target of -2: log alpha must grow
    log_density = jnp.array([2.0, 4.0])
    gradient = jax.grad(temperature_dual)(jnp.float32(0.7), log_density, -2.0)
    np.testing.assert_allclose(gradient, -(3.0 - 2.0))
    np.testing.assert_allclose(temperature_dual(jnp.float32(0.7), log_density, -2.0), -0.7, rtol=1e-6)


def test_the_loss_is_linear_in_the_logarithm_not_in_the_temperature():
    # with alpha in its place the gradient would scale with alpha = e^3
    gradient = jax.grad(temperature_dual)(jnp.float32(3.0), jnp.array([0.0]), -1.0)
    np.testing.assert_allclose(gradient, 1.0)
    assert not math.isclose(float(gradient), math.exp(3.0))


def test_no_gradient_reaches_the_policy():
    gradient = jax.grad(temperature_dual, argnums=1)(jnp.float32(1.0), jnp.array([1.0, 2.0]), -2.0)
    np.testing.assert_array_equal(gradient, [0.0, 0.0])


def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(AssertionError):
        entropy_regularised(jnp.zeros(3), jnp.zeros((3, 1)), jnp.float32(1.0))
