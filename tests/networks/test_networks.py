import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rankq_jax.agents.backups import sample_actions
from rankq_jax.networks import encoded_critic, ensemble, over_actions, tanh_gaussian


def matmul_shapes(function, *arguments):
    """Output shapes of all matrix products in a function, inner programs included."""

    def walk(jaxpr):
        for equation in jaxpr.eqns:
            if equation.primitive.name == "dot_general":
                yield equation.outvars[0].aval.shape
            for value in equation.params.values():
                inner = getattr(value, "jaxpr", value)
                if hasattr(inner, "eqns"):
                    yield from walk(inner)

    return list(walk(jax.make_jaxpr(function)(*arguments).jaxpr))


class Encoder(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.relu(nn.Dense(23)(x))


def test_an_observation_encoder_runs_once_for_all_actions(key):
    critic = encoded_critic(ensemble((16,), 2), Encoder())
    observation, actions = jnp.ones((8, 3)), jnp.ones((8, 5, 2))
    params = critic.init(key, observation, actions[:, 0])
    shapes = matmul_shapes(lambda p: critic.apply_to_set(p, observation, actions), params)
    encoder = [shape for shape in shapes if shape[-1] == 23]
    assert encoder == [(8, 23)]  # one product for 8 states, none of 5 * 8
    assert any(5 in shape or 40 in shape for shape in shapes)  # the heads see every action


def test_a_policy_network_runs_once_for_all_samples(key):
    policy = tanh_gaussian((16,), 2)
    observation = jnp.ones((8, 3))
    params = policy.init(key, observation, None)
    shapes = matmul_shapes(lambda p: sample_actions(policy, p, observation, key, 10), params)
    assert shapes == [(8, 16), (8, 4)]


@pytest.mark.parametrize("unrolled", [False, True])
def test_a_set_of_actions_equals_one_call_per_action(key, unrolled):
    critic = ensemble((16,), 3, unrolled=unrolled)
    observation = jax.random.normal(key, (8, 3))
    actions = jax.random.normal(key, (8, 5, 2, 2))  # an event of two axes
    params = critic.init(key, observation, actions[:, 0])
    together = critic.apply_to_set(params, observation, actions)
    assert together.shape == (3, 8, 5)
    np.testing.assert_allclose(together, over_actions(critic.apply)(params, observation, actions), 1e-5, 1e-6)
    for n in range(5):
        alone = critic.apply(params, observation, actions[:, n])
        np.testing.assert_allclose(together[..., n], alone, rtol=1e-5, atol=1e-6)


def test_unrolled_members_are_the_same_function_with_the_same_gradient(key):
    observation, actions = jax.random.normal(key, (8, 3)), jax.random.normal(key, (8, 5, 2))
    batched, unrolled = (ensemble((16, 16), 3, layer_norm="before", unrolled=u) for u in (False, True))
    params = batched.init(key, observation, actions[:, 0])

    def loss(critic, params):
        return jnp.sum(jnp.sin(critic.apply_to_set(params, observation, actions)))

    expected, found = (jax.value_and_grad(lambda p, c=c: loss(c, p))(params) for c in (batched, unrolled))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), expected, found)
    assert loss(batched, params) != 0.0


def test_members_start_differently_and_near_zero(key):
    critic = ensemble((32, 32), 2)
    observation, action = jax.random.normal(key, (50, 3)), jnp.zeros((50, 2))
    q = critic.apply(critic.init(key, observation, action), observation, action)
    assert not np.allclose(q[0], q[1])
    assert np.abs(q).max() < 0.2  # the output gain is 0.01


def test_an_ensemble_needs_a_member():
    with pytest.raises(ValueError, match="members=0 must be at least 1"):
        ensemble((4,), 0)


def test_the_density_of_a_sample_integrates_to_one(key):
    policy = tanh_gaussian((16,), 1)
    observation = jax.random.normal(key, (1, 3))
    params = policy.init(key, observation, None)
    # E_pi[1 / pi(a)] over the box is its length, 2
    keys = jax.random.split(key, 20_000)
    _, log_density = jax.vmap(policy.sample, in_axes=(None, None, 0))(params, observation, keys)
    inside = jnp.exp(-log_density)
    np.testing.assert_allclose(jnp.mean(inside), 2.0, rtol=0.1)


def test_the_density_matches_a_change_of_variables(key):
    policy = tanh_gaussian((16,), 2)
    observation = jax.random.normal(key, (4, 3))
    params = policy.init(key, observation, None)
    action, log_density = policy.sample(params, observation, key)
    # The deviation follows from two samples: u = mean + std * eps with the same draw of eps.
    mean = np.arctanh(np.asarray(policy.mode(params, observation), np.float64))
    u = np.arctanh(np.asarray(action, np.float64))
    eps = np.asarray(jax.random.normal(key, (4, 2)), np.float64)
    std = (u - mean) / eps
    normal = -0.5 * eps**2 - np.log(std) - 0.5 * np.log(2 * np.pi)
    expected = (normal - np.log1p(-(np.tanh(u) ** 2))).sum(axis=1)
    np.testing.assert_allclose(log_density, expected, rtol=2e-3)
    np.testing.assert_allclose(std, np.exp(-1.0), rtol=0.1)  # the first deviation


def test_actions_far_out_keep_a_finite_density(key):
    policy = tanh_gaussian((16,), 2)
    params = policy.init(key, jnp.ones((1, 3)), None)
    big = jax.tree.map(lambda x: x * 1e3 if x.ndim else x, params)
    _, log_density = policy.sample(big, jnp.ones((1, 3)), key)
    assert np.isfinite(log_density).all()
