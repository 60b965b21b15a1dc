"""Clipping by hand: gradients with norms that are easy to name."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rankq_jax import configs
from rankq_jax.agents import clip_members
from rankq_jax.errors import InputError
from rankq_jax.training.agents import optimizers_of

# Two members: the first has the norm sqrt(3^2 + 4^2 + 12^2) = 13, the second 0.5.
GRADIENT = {
    "heads": {
        "kernel": jnp.array([[[3.0, 4.0]], [[0.3, 0.4]]]),
        "bias": jnp.array([[12.0], [0.0]]),
    }
}


def test_each_member_is_scaled_by_its_own_norm():
    clip = clip_members(1.0)
    found, state = clip.update(GRADIENT, clip.init(GRADIENT))
    heads = found["heads"]
    np.testing.assert_allclose(heads["kernel"][0], [[3 / 13, 4 / 13]], rtol=1e-6)
    np.testing.assert_allclose(heads["bias"][0], [12 / 13], rtol=1e-6)
    np.testing.assert_array_equal(heads["kernel"][1], GRADIENT["heads"]["kernel"][1])  # below the norm
    np.testing.assert_array_equal(heads["bias"][1], [0.0])
    assert jax.tree.leaves(state) == []


def test_what_the_members_share_is_a_group_of_its_own():
    gradient = {**GRADIENT, "encoder": {"kernel": jnp.array([0.0, 5.0])}}
    clip = clip_members(2.0)
    found, _ = clip.update(gradient, clip.init(gradient))
    np.testing.assert_allclose(found["encoder"]["kernel"], [0.0, 2.0], rtol=1e-6)
    np.testing.assert_allclose(found["heads"]["bias"][0], [24 / 13], rtol=1e-6)


def gradients_of(optimizer, gradient):
    """What Adam has been handed: its first moment is a tenth of it after one step."""
    _, state = optimizer.update(gradient, optimizer.init(gradient), gradient)
    moments = [
        leaf for leaf in jax.tree.leaves(state, is_leaf=lambda x: hasattr(x, "mu")) if hasattr(leaf, "mu")
    ]
    return jax.tree.map(lambda x: np.asarray(x) * 10, moments[0].mu)


def optimizers(groups, norm=1.0):
    config = configs.get_config("pointmaze-umaze", "cql")
    config.clip_groups, config.max_gradient_norm = groups, norm
    return optimizers_of(configs.parse(config))


def test_by_networks_the_critic_is_one_group_and_duals_are_left_alone():
    found = optimizers("networks")
    whole = np.sqrt(13**2 + 0.5**2)
    handed = gradients_of(found.critic, GRADIENT)
    np.testing.assert_allclose(handed["heads"]["bias"][0], [12 / whole], rtol=1e-5)
    np.testing.assert_allclose(handed["heads"]["kernel"][1], np.array([[0.3, 0.4]]) / whole, rtol=1e-5)
    for name in ("temperature", "cql_weight"):
        np.testing.assert_allclose(gradients_of(found.of_dual(name), jnp.float32(-7.0)), -7.0, rtol=1e-5)


def test_by_optimizers_members_and_duals_are_groups():
    found = optimizers("optimizers")
    handed = gradients_of(found.critic, GRADIENT)
    np.testing.assert_allclose(handed["heads"]["bias"][0], [12 / 13], rtol=1e-5)
    np.testing.assert_allclose(handed["heads"]["kernel"][1], [[0.3, 0.4]], rtol=1e-5)
    for name in ("temperature", "cql_weight"):
        np.testing.assert_allclose(gradients_of(found.of_dual(name), jnp.float32(-7.0)), -1.0, rtol=1e-5)
        np.testing.assert_allclose(gradients_of(found.of_dual(name), jnp.float32(0.4)), 0.4, rtol=1e-5)
    policy = {"kernel": jnp.array([6.0, 8.0])}
    for optimizer in (found.actor, found.value):
        np.testing.assert_allclose(gradients_of(optimizer, policy)["kernel"], [0.6, 0.8], rtol=1e-5)


@pytest.mark.parametrize("groups", ["networks", "optimizers"])
def test_without_a_norm_nothing_is_clipped(groups):
    found = optimizers(groups, norm=0.0)
    np.testing.assert_allclose(gradients_of(found.critic, GRADIENT)["heads"]["bias"][0], [12.0], rtol=1e-5)
    np.testing.assert_allclose(gradients_of(found.of_dual("cql_weight"), jnp.float32(-7.0)), -7.0, rtol=1e-5)


def test_unknown_groups_are_refused():
    config = configs.get_config("pointmaze-umaze", "rankq")
    config.clip_groups = "optimizer"
    with pytest.raises(InputError, match="clip_groups"):
        configs.parse(config)


@pytest.mark.parametrize("algorithm", ["sac", "cql", "cal_ql", "rankq"])
@pytest.mark.parametrize("task", ["antmaze-medium-play", "adroit-pen", "adroit-door"])
def test_the_arms_of_the_rankq_paper_clip_each_optimizer_at_1(task, algorithm):
    config = configs.get_config(task, algorithm)
    assert (config.max_gradient_norm, config.clip_groups) == (1.0, "optimizers")
