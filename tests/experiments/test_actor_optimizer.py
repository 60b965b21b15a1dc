"""The policy's learning rate and weight decay, from the fields of a configuration."""

import jax.numpy as jnp
import numpy as np
import pytest

from rankq_jax import configs
from rankq_jax.configs.checks import check_given
from rankq_jax.errors import InputError
from rankq_jax.training.agents import networks_of, optimizers_of, refuse_data
from rankq_jax.types import Transition
from tests.networks.vla_cases import observations, spec_of


def config_of(**changes):
    config = configs.arm("flow_bc", "pointmaze-umaze")
    config.update_from_flattened_dict({"offline.updates": 10, "actor_learning_rate": 0.1, **changes})
    return configs.parse(config)


def steps(config, updates, gradient=1.0, start=2.0):
    """How far the optimizer of the policy moves a number, update by update."""
    optimizer, value = optimizers_of(config).actor, jnp.array([start])
    state, found = optimizer.init(value), []
    for _ in range(updates):
        moved, state = optimizer.update(jnp.array([gradient]), state, value)
        found.append(-float(moved[0]))
    return np.array(found)


def test_the_rate_rises_and_then_falls_to_its_last_share():
    # With a constant gradient a step of Adam is the rate.
    config = config_of(actor_warmup=2, actor_cosine_decay=True, actor_final_rate=0.5)
    half = 0.1 * (0.5 + 0.5 * 0.5 * (1 + np.cos(np.pi * 4 / 8)))
    np.testing.assert_allclose(
        steps(config, 11)[[0, 1, 2, 6, 10]], [0.0, 0.05, 0.1, half, 0.05], rtol=1e-4, atol=1e-7
    )
    np.testing.assert_allclose(
        steps(config_of(actor_warmup=4), 7), np.minimum(np.arange(7) / 4, 1) * 0.1, rtol=1e-4, atol=1e-7
    )


def test_weight_decay_is_beside_the_gradient():
    # AdamW: rate * (1 + decay * value)
    np.testing.assert_allclose(
        steps(config_of(actor_weight_decay=0.25), 2), 0.1 * (1 + 0.25 * 2.0), rtol=1e-4
    )
    np.testing.assert_allclose(steps(config_of(), 2), 0.1, rtol=1e-4)


def test_muon_moves_matrices_along_orthogonal_ones_and_vectors_as_adam_does():
    # Newton-Schulz brings singular values near 1, whatever they were; here 10 and 0.1. The first step of Adam
    # with Nesterov's momentum is 0.9 * 0.1 / (1 - 0.9^2) + 0.1 / (1 - 0.9) rates.
    optimizer = optimizers_of(config_of(actor_optimizer="muon")).actor
    turn = np.array([[0.8, -0.6], [0.6, 0.8]], np.float32)
    params = {"matrix": jnp.zeros((2, 2)), "vector": jnp.zeros(2)}
    gradient = {
        "matrix": jnp.array(turn @ np.diag([10.0, 0.1]).astype(np.float32)),
        "vector": jnp.array([7.0, -0.2]),
    }
    moved, _ = optimizer.update(gradient, optimizer.init(params), params)
    stretched = -np.asarray(moved["matrix"]) / 0.1
    np.testing.assert_allclose(np.linalg.svd(stretched)[1], 1.0, atol=0.35)
    np.testing.assert_allclose(stretched, turn, atol=0.35)
    np.testing.assert_allclose(moved["vector"], [-0.147368, 0.147368], rtol=1e-4)
    # A single gradient of Adam has singular values as unlike as its signs let them be.
    adam = optimizers_of(config_of()).actor
    plain, _ = adam.update(gradient, adam.init(params), params)
    assert np.linalg.norm(-np.asarray(plain["matrix"]) / 0.1 - turn) > 0.35


def test_a_last_share_without_a_decay_is_refused():
    given = {"actor_final_rate": 0.5}
    config = config_of(**given)
    with pytest.raises(InputError, match=r"actor_final_rate: is not read: config.actor_cosine_decay=False"):
        check_given(config, given, config_of().flat())


def test_networks_that_do_not_fit_the_task_or_its_words_are_refused_by_their_field():
    config = config_of(networks="vla-xs")
    with pytest.raises(
        InputError, match=r"config.networks=vla-xs: the observation's image is uint8\[96,128,3\]"
    ) as error:
        networks_of(config, spec_of("vla-s"))
    assert "\n" not in str(error.value)
    seen, zeros = observations("vla-xs", 2), np.zeros(2, np.float32)
    networks = networks_of(config, spec_of("vla-xs"))
    refuse_data(networks, Transition(seen, zeros, zeros, zeros, seen, {}))
    seen["instruction"][1, 3] = 77
    with pytest.raises(InputError, match=r"dataset does not fit config.networks: .* token 77, .* 0 to 63"):
        refuse_data(networks, Transition(seen, zeros, zeros, zeros, seen, {}))
