"""Low-rank adapters of the heads of flow policies."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rankq_jax.agents import Optimizers, flow_bc
from rankq_jax.networks import FAMILIES, Networks, ensemble, lora, noisy, split, state_value, vla_policy
from rankq_jax.networks.openpi import pi0_policy
from tests.networks import openpi_cases
from tests.networks.test_openpi import LOOK, observations
from tests.networks.vla_cases import TINY, tiny_batch

RANK, ALPHA = 2, 6.0


@pytest.fixture(scope="module")
def tiny():
    """A small policy of images, its parameters, and these beside adapters."""
    policy, batch = vla_policy(TINY), tiny_batch(0, 4)
    params = jax.jit(policy.init)(jax.random.key(0), batch.observation, batch.action)
    return policy, batch, params, lora.attach(jax.random.key(1), params, RANK)


def names(tree):
    return {
        "/".join(str(part.key) for part in path): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def test_the_product_by_hand():
    random = np.random.default_rng(0)
    w, a, b = (random.normal(size=shape).astype(np.float32) for shape in ((3, 5, 4), (3, 5, 2), (3, 2, 4)))
    head = {"inner": {"w": jnp.asarray(w), "scale": jnp.ones(4)}}
    found = lora.merge(head, {"inner": {"w": {"a": jnp.asarray(a), "b": jnp.asarray(b)}}}, ALPHA)
    for layer in range(3):
        wanted = w[layer] + ALPHA / 2 * sum(np.outer(a[layer, :, k], b[layer, k]) for k in range(2))
        np.testing.assert_allclose(found["inner"]["w"][layer], wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found["inner"]["scale"], np.ones(4))
    half = {"inner": {"w": jnp.asarray(w, jnp.bfloat16)}}
    zero = {"inner": {"w": {"a": jnp.asarray(a), "b": jnp.zeros((3, 2, 4))}}}
    same = lora.merge(half, zero, ALPHA)["inner"]["w"]
    assert same.dtype == jnp.bfloat16
    np.testing.assert_array_equal(np.asarray(same, np.float32), np.asarray(half["inner"]["w"], np.float32))


def test_new_adapters_change_nothing(tiny):
    policy, batch, params, beside = tiny
    adapted = lora.adapted(policy, RANK, ALPHA)
    seen = batch.observation
    np.testing.assert_array_equal(jax.jit(policy.mode)(params, seen), jax.jit(adapted.mode)(beside, seen))
    key = jax.random.key(2)
    for before, after in zip(
        jax.jit(policy.sample)(params, seen, key), jax.jit(adapted.sample)(beside, seen, key), strict=True
    ):
        np.testing.assert_array_equal(before, after)


def test_matrices_are_adapted_and_vectors_are_not(tiny):
    _, _, params, beside = tiny
    head, adapters = names(params["velocity"]), names(beside["adapters"])
    matrices = {name: leaf.shape for name, leaf in head.items() if name.endswith("kernel")}
    assert matrices and set(adapters) == {f"{name}/{part}" for name in matrices for part in "ab"}
    for name, (rows, columns) in matrices.items():
        size = min(RANK, rows, columns)
        assert adapters[f"{name}/a"].shape == (rows, size) and adapters[f"{name}/b"].shape == (size, columns)
    assert split(beside)[1].keys() == {"velocity", "auxiliary", "adapters"}


@pytest.fixture(scope="module")
def trained(tiny):
    """The adapted policy, the state before and after two updates, and the batch."""
    policy, batch, *_ = tiny
    adapted = lora.adapted(policy, RANK, ALPHA)
    optimizer = lora.only_adapters(optax.adam(1e-2))
    networks = Networks(adapted, ensemble((4,)), state_value((4,)), TINY.action_size)
    agent = flow_bc(networks, Optimizers(optimizer, optimizer, optimizer, optimizer))
    first = jax.jit(agent.init)(jax.random.key(3), batch)
    state, update = first, jax.jit(agent.update)
    for key in jax.random.split(jax.random.key(4), 2):  # A has no gradient while B is zero
        state, _ = update(state, batch, key)
    return adapted, first.actor, state.actor, batch


def test_only_adapters_are_trained(trained):
    _, before, after, _ = trained
    pairs = zip(names(before.params).items(), jax.tree.leaves(after.params), strict=True)
    changed = {name: bool(np.any(a != b)) for (name, a), b in pairs}
    of_adapters = [value for name, value in changed.items() if name.startswith("adapters/")]
    assert sum(of_adapters) > len(of_adapters) // 2
    assert sum(changed.values()) == sum(of_adapters)
    held = sum(leaf.size for leaf in jax.tree.leaves(after.opt_state))
    wanted = sum(leaf.size for leaf in jax.tree.leaves(before.params["adapters"]))
    assert 2 * wanted <= held <= 2 * wanted + 4  # two moments, and counts


def test_nothing_else_has_a_gradient(trained):
    adapted, _, after, batch = trained
    flow, seen = adapted.flow, batch.observation

    def loss(params):
        prefix, x = flow.encode(params, seen), jnp.zeros((4, TINY.action_size))
        guess, _ = flow.predict(params, prefix.h)
        moved = flow.velocity(params, x, x[:, 0], prefix, flow.proprio(seen))
        return jnp.sum(moved**2) + jnp.sum(guess**2) + jnp.sum(prefix.h**2)

    found = names(jax.jit(jax.grad(loss))(after.params))
    some = {name.split("/")[0] for name, leaf in found.items() if np.any(leaf)}
    assert some == {"adapters"}


@pytest.mark.parametrize("first", ["adapters", "noise"])
def test_sacflow_trains_adapters_and_its_noise(tiny, first):
    policy, batch, *_ = tiny
    size = TINY.action_size
    made = (
        noisy(lora.adapted(policy, RANK, ALPHA), size, hidden=(4,))
        if first == "adapters"
        else lora.adapted(noisy(policy, size, hidden=(4,)), RANK, ALPHA)
    )
    params = jax.jit(made.init)(jax.random.key(5), batch.observation, batch.action)

    def loss(params):
        action, density = made.sample(params, batch.observation, jax.random.key(6))
        return jnp.sum(action) + jnp.sum(density)

    found = names(jax.jit(jax.grad(loss))(params))
    assert {name.split("/")[0] for name, leaf in found.items() if np.any(leaf)} == {"adapters", "noise"}
    optimizer, ones = lora.only_adapters(optax.sgd(1.0)), jax.tree.map(jnp.ones_like, params)
    moved, _ = optimizer.update(ones, optimizer.init(params), params)
    some = {name.split("/")[0] for name, leaf in names(moved).items() if np.any(leaf)}
    assert some == {"adapters", "noise"}


def test_what_was_learned_is_a_policy_without_adapters(tiny, trained):
    policy, _, params, _ = tiny
    adapted, before, after, batch = trained
    plain, mode = lora.merged(after.params, ALPHA), jax.jit(policy.mode)
    assert plain.keys() == params.keys()
    found = mode(plain, batch.observation)
    np.testing.assert_allclose(found, jax.jit(adapted.mode)(after.params, batch.observation), atol=1e-5)
    first = mode(lora.merged(before.params, ALPHA), batch.observation)
    assert np.abs(found - first).max() > 1e-3


def test_the_expert_of_a_pi0_model():
    backend = openpi_cases.backend()
    policy, seen = pi0_policy(backend, LOOK, steps=1), observations()
    params = policy.init(jax.random.key(0), seen, None)
    beside = lora.attach(jax.random.key(1), params, 3)
    made = names(beside["adapters"])
    assert made["PaliGemma/llm/layers/attn/q_einsum_1/w/a"].shape == (4, 8, 64, 3)
    assert made["PaliGemma/llm/layers/mlp_1/gating_einsum/b"].shape == (4, 2, 3, 128)
    assert made["action_in_proj/kernel/a"].shape == (9, 3)
    assert not any("norm" in name or "bias" in name for name in made)
    adapted = lora.adapted(policy, 3, 3.0)
    np.testing.assert_array_equal(jax.jit(policy.mode)(params, seen), jax.jit(adapted.mode)(beside, seen))


def test_what_is_refused(tiny):
    policy, *_ = tiny
    with pytest.raises(ValueError, match="rank"):
        lora.adapted(policy, 0, 1.0)
    with pytest.raises(ValueError, match="alpha"):
        lora.adapted(policy, 2, 0.0)
    with pytest.raises(ValueError, match="no velocity"):
        lora.adapted(FAMILIES["cal_ql"](2, (4,)).policy, 2, 1.0)
    with pytest.raises(ValueError, match="no matrix"):
        lora.init(jax.random.key(0), {"bias": jnp.zeros(3)}, 1)
