import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rankq_jax.networks import (
    FAMILIES,
    VLA_PRESETS,
    deterministic,
    ensemble,
    gaussian,
    state_value,
    tanh_gaussian,
)
from rankq_jax.networks.initializers import fan_in_uniform, orthogonal, small_output, xavier
from rankq_jax.networks.mlp import MLP
from rankq_jax.networks.scorer import scorer


def test_the_density_of_a_given_action_is_that_of_the_sample(key):
    observation = jax.random.normal(key, (6, 3))
    for policy in (tanh_gaussian((16,), 2), tanh_gaussian((16,), 2, learned_scale=False)):
        params = policy.init(key, observation, None)
        action, log_density = policy.sample(params, observation, key)
        np.testing.assert_allclose(policy.log_density(params, observation, action), log_density, rtol=1e-3)


def test_recorded_actions_at_the_edge_have_a_finite_density_and_gradient(key):
    policy, observation = tanh_gaussian((16,), 2), jnp.ones((3, 4))
    params = policy.init(key, observation, None)
    edge = jnp.array([[1.0, -1.0], [-1.0, -1.0], [1.0, 0.3]])
    value, gradient = jax.value_and_grad(lambda p: jnp.sum(policy.log_density(p, observation, edge)))(params)
    assert np.isfinite(value)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def test_the_gaussian_by_hand(key):
    policy, observation = gaussian((16,), 2), jnp.ones((1, 3))
    params = policy.init(key, observation, None)
    mean = np.asarray(policy.mode(params, observation), np.float64)
    action = jnp.array([[0.4, -0.7]])
    # the first log deviation is 0, and no tanh enters the density
    expected = np.sum(-0.5 * (np.asarray(action) - mean) ** 2 - 0.5 * np.log(2 * np.pi))
    np.testing.assert_allclose(policy.log_density(params, observation, action), [expected], rtol=1e-5)


def test_the_deviation_of_the_gaussian_is_its_own_and_bounded(key):
    policy, observation = gaussian((16,), 2, log_std_range=(-5.0, 2.0)), jnp.ones((4000, 3))
    params = policy.init(key, observation, None)
    shrunk = {"params": {**params["params"], "log_std": jnp.full(2, -50.0)}}
    drawn, _ = policy.sample(shrunk, observation, key)
    np.testing.assert_allclose(np.std(drawn, axis=0), np.exp(-5.0), rtol=0.05)
    wide, _ = policy.sample({"params": {**params["params"], "log_std": jnp.full(2, 9.0)}}, observation, key)
    assert np.abs(wide).max() == 1.0  # samples are clipped to the box


def test_dropout_needs_a_key_and_is_in_the_loss_alone(key):
    policy, observation = gaussian((64, 64), 2, dropout=0.5), jnp.ones((8, 3))
    params, action = policy.init(key, observation, None), jnp.zeros((8, 2))
    still = policy.log_density(params, observation, action)
    np.testing.assert_array_equal(still, policy.log_density(params, observation, action))
    dropped = policy.log_density(params, observation, action, key)
    assert not np.allclose(dropped, still)
    assert not np.allclose(dropped, policy.log_density(params, observation, action, jax.random.key(8)))
    rows = policy.mode(params, observation)
    np.testing.assert_array_equal(rows, policy.mode(params, observation))


def test_a_deterministic_policy_has_no_density(key):
    policy, observation = deterministic((16,), 2), jnp.ones((3, 4))
    params = policy.init(key, observation, None)
    action, log_density = policy.sample(params, observation, key)
    np.testing.assert_array_equal(action, policy.mode(params, observation))
    assert np.isnan(log_density).all() and policy.log_density is None


def test_the_place_of_the_layer_normalisation(key):
    x = jnp.array([[1.0, -2.0, 3.0]])
    for place, module in (
        ("before", MLP((4,), 1, layer_norm="before")),
        ("after", MLP((4,), 1, layer_norm="after")),
    ):
        params = module.init(key, x)["params"]
        hidden = np.asarray(x @ params["Dense_0"]["kernel"], np.float64)
        if place == "after":
            hidden = np.maximum(hidden, 0.0)
        hidden = (hidden - hidden.mean()) / np.sqrt(hidden.var() + 1e-6)
        if place == "before":
            hidden = np.maximum(hidden, 0.0)
        expected = hidden @ np.asarray(params["Dense_1"]["kernel"], np.float64)
        np.testing.assert_allclose(module.apply({"params": params}, x), expected, rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="must be one of none, before, after"):
        ensemble((4,), layer_norm="inside")


def test_first_weights_of_each_family(key):
    def weights(initializer):
        params = MLP((400,), 300, initializer).init(key, jnp.ones((1, 200)))["params"]
        return jax.tree.map(np.asarray, params)

    def assert_uniform(values, bound):
        assert np.abs(values).max() <= bound
        np.testing.assert_allclose(values.std(), bound / np.sqrt(3), rtol=0.06)

    plain = weights(fan_in_uniform())
    assert_uniform(plain["Dense_0"]["kernel"], 200**-0.5)
    assert_uniform(plain["Dense_0"]["bias"], 200**-0.5)
    assert_uniform(plain["Dense_1"]["bias"], 400**-0.5)
    small = weights(small_output(3e-3))
    assert_uniform(small["Dense_0"]["kernel"], 200**-0.5)
    np.testing.assert_allclose(small["Dense_0"]["bias"], 0.1)
    assert_uniform(small["Dense_1"]["kernel"], 3e-3)
    assert_uniform(weights(xavier())["Dense_0"]["kernel"], (6 / 600) ** 0.5)
    square = weights(orthogonal(0.01))
    np.testing.assert_allclose(
        square["Dense_0"]["kernel"] @ square["Dense_0"]["kernel"].T, 2 * np.eye(200), atol=1e-4
    )
    last = square["Dense_1"]["kernel"]
    np.testing.assert_allclose(last.T @ last, 1e-4 * np.eye(300), atol=1e-8)
    assert not square["Dense_0"]["bias"].any()


@pytest.mark.parametrize("shape", [(29, 64), (64, 64), (64, 5), (64, 1), (1, 7)])
def test_orthogonal_kernels_are_the_q_of_a_gaussian_matrix(shape, key):
    drawn = np.asarray(jax.random.normal(key, (max(shape), min(shape))), np.float64)
    q, r = np.linalg.qr(drawn)
    q = q * np.sign(np.diag(r))
    kernel = jax.jit(lambda k: orthogonal(3.0).output_kernel(k, shape))(key)
    np.testing.assert_allclose(kernel, 3.0 * (q if shape[0] >= shape[1] else q.T), atol=3e-6)


def test_many_networks_can_be_drawn_at_once_on_few_cores():
    """With jnp.linalg.qr this program never ends on two cores."""
    code = """
import jax, jax.numpy as jnp
from rankq_jax.networks.initializers import orthogonal
draw = orthogonal(1.0).kernel
one = lambda key: [draw(k, (96, 96)) for k in jax.random.split(key, 8)]
for i in range(20):
    jax.block_until_ready(jax.jit(jax.vmap(one))(jax.vmap(jax.random.key)(jnp.arange(3) + i)))
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=120)


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - set(VLA_PRESETS)))
def test_a_family_gives_all_networks(family, key):
    networks = FAMILIES[family](
        2, actor_hidden=(8,), critic_hidden=(8, 8), critics=3, critic_layer_norm="before"
    )
    observation, action = jnp.ones((5, 4)), jnp.zeros((5, 2))
    params = networks.critic.init(key, observation, action)
    assert networks.critic.apply(params, observation, action).shape == (3, 5)
    assert networks.policy.mode(networks.policy.init(key, observation, action), observation).shape == (5, 2)
    assert networks.value.apply(networks.value.init(key, observation), observation).shape == (5,)


def test_a_state_value_sees_no_action(key):
    value, observation = state_value((16,)), jnp.arange(12.0).reshape(4, 3)
    params = value.init(key, observation)
    assert params["params"]["Dense_0"]["kernel"].shape == (3, 16)
    assert value.apply(params, observation).shape == (4,)


def test_a_scorer_draws_one_mask_for_all_rows_of_a_key(key):
    score, observation = scorer((32,), dropout=0.5), jnp.ones((4, 3))
    params = score.init(key, observation, jnp.zeros((4, 2)))
    plain = score.apply(params, observation, jnp.zeros((4, 2)))
    assert plain.shape == (4,)
    np.testing.assert_array_equal(plain, score.apply(params, observation, jnp.zeros((4, 2))))
    assert not np.allclose(plain, score.apply(params, observation, jnp.zeros((4, 2)), key))
