import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankq_jax.losses import RANKQ_ORDER, order_loss, pair_loss, ranking_accuracy

NAMES = ("data", "noisy", "very_noisy", "random", "permuted")


def values(*rows):
    """`{name: [B]}` from one tuple of five values per row, in the order of NAMES."""
    return dict(zip(NAMES, jnp.asarray(rows, jnp.float32).T, strict=True))


def weights(success, alpha_0=1.0, alpha_1=1.0):
    success = jnp.asarray(success, jnp.float32)
    return {"success": alpha_0 * success, "failure": alpha_1 * (1.0 - success)}


def softplus(x):
    return math.log1p(math.exp(-abs(x))) + max(x, 0.0)


def test_pair_loss_by_hand():
    np.testing.assert_allclose(pair_loss(2.0, 3.0), math.log(1.0 + math.e), rtol=1e-6)
    np.testing.assert_allclose(pair_loss(3.0, 2.0), math.log(1.0 + 1.0 / math.e), rtol=1e-6)


def test_order_loss_by_hand():
    q = values((5.0, 4.0, 3.0, 1.0, 2.0), (5.0, 4.0, 3.0, 1.0, 2.0))
    loss = order_loss(q, RANKQ_ORDER, weights([1, 0], alpha_0=20.0, alpha_1=3.0))
    # data over noisy, very noisy, permuted, random; then the chain noisy > very noisy > random
    pairs = softplus(-1) + softplus(-2) + softplus(-3) + softplus(-4) + softplus(-1) + softplus(-2)
    np.testing.assert_allclose(loss, [20.0 * pairs, 3.0 * softplus(-4.0)], rtol=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_all_values_equal(share):
    success = np.arange(8) < share * 8
    q = values(*[(1.5,) * 5] * 8)
    loss = jnp.mean(order_loss(q, RANKQ_ORDER, weights(success, alpha_0=20.0, alpha_1=2.0)))
    # six pairs on success rows, one on failure rows, each softplus(0) = ln 2
    expected = 20.0 * share * 6 * math.log(2) + 2.0 * (1 - share) * math.log(2)
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(-50, 50, width=32), min_size=5, max_size=5), st.floats(-100, 100, width=32))
def test_a_constant_added_to_all_values_changes_nothing(row, constant):
    plain = order_loss(values(tuple(row)), RANKQ_ORDER, weights([1]))
    moved = order_loss(values(tuple(v + constant for v in row)), RANKQ_ORDER, weights([1]))
    np.testing.assert_allclose(plain, moved, rtol=1e-4, atol=1e-4)


def test_the_gradient_reaches_both_sides():
    better, worse = jax.grad(pair_loss, argnums=(0, 1))(0.0, 0.0)
    np.testing.assert_allclose([better, worse], [-0.5, 0.5])


@pytest.mark.parametrize("scale", [1e6, 3.0e37])
def test_extreme_values_stay_finite(scale):
    def loss(q):
        return jnp.sum(order_loss(q, RANKQ_ORDER, weights([1, 0])))

    q = values((-scale, scale, 0.0, scale, -scale), (-scale, 0.0, 0.0, scale, 0.0))
    assert np.isfinite(loss(q))
    assert all(np.isfinite(g).all() for g in jax.grad(loss)(q).values())


def test_an_ablation_is_a_shorter_tuple():
    q = values((1.0,) * 5)
    no_chain = order_loss(q, RANKQ_ORDER[:4], weights([1]))
    np.testing.assert_allclose(no_chain, [4 * math.log(2)], rtol=1e-6)


def test_an_unknown_action_is_refused():
    with pytest.raises(KeyError):
        order_loss({"data": jnp.zeros(1)}, RANKQ_ORDER, weights([1]))


def test_accuracy_counts_strict_orders_on_covered_rows():
    q = {name: v[None] for name, v in values((2.0, 1.0, 3.0, 0.0, 2.0), (0.0, 9.0, 9.0, 9.0, 9.0)).items()}
    rows = {"success": jnp.array([1.0, 0.0]), "failure": jnp.array([0.0, 1.0])}
    accuracy = ranking_accuracy(q, RANKQ_ORDER, rows)
    assert accuracy["success/data_over_noisy"] == 1.0
    assert accuracy["success/data_over_very_noisy"] == 0.0
    assert accuracy["success/data_over_permuted"] == 0.0  # a tie is not an order
    assert accuracy["failure/data_over_random"] == 0.0
