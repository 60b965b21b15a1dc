import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rankq_jax.losses import ensemble_min, squared_td, td_target


def test_target_of_one_step_and_of_a_terminal():
    target = td_target(jnp.array([1.0, 5.0]), jnp.array([0.9, 0.0]), jnp.array([2.0, 100.0]))
    np.testing.assert_allclose(target, [1.0 + 0.9 * 2.0, 5.0])  # nothing after a terminal


def test_target_stops_the_gradient():
    gradient = jax.grad(lambda v: td_target(jnp.ones(1), jnp.ones(1), v)[0])(jnp.ones(1))
    np.testing.assert_array_equal(gradient, [0.0])


def test_squared_error_of_each_member():
    q = jnp.array([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_allclose(squared_td(q, jnp.array([0.0, 5.0])), [[1.0, 9.0], [9.0, 1.0]])


def test_minimum_is_over_members():
    np.testing.assert_array_equal(ensemble_min(jnp.array([[1.0, 7.0], [3.0, 4.0]])), [1.0, 4.0])


def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(AssertionError):
        td_target(jnp.ones(3), jnp.ones(3), jnp.ones((3, 1)))
    with pytest.raises(AssertionError):
        squared_td(jnp.ones((2, 3)), jnp.ones((3, 1)))
