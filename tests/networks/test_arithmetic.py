"""bfloat16 in the hidden layers, float32 everywhere else."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rankq_jax import configs
from rankq_jax.errors import InputError
from rankq_jax.networks import FAMILIES, VLA_PRESETS, Arithmetic
from rankq_jax.training import agents
from tests.conftest import ACTION_SIZE, BATCH, SIZES, make_agent, make_batch

ALGORITHMS = ["sac", "rankq", "cal_ql", "iql", "td3_bc"]
BFLOAT16 = Arithmetic(jnp.bfloat16)
# Widths of output layers: a value, an action, mean and deviation of one. No other axis has one of them.
OUTPUTS = {1, ACTION_SIZE, 2 * ACTION_SIZE}


def agent_with(name, arithmetic, **sizes):
    return make_agent(name, sizes={**SIZES, "arithmetic": arithmetic, "critics": 3, **sizes})


@functools.cache
def started(name, arithmetic):
    """The agent, its first state and a batch."""
    agent, batch = agent_with(name, arithmetic), jax.tree.map(jnp.asarray, make_batch())
    return agent, agent.init(jax.random.key(0), batch), batch


def products(function, *arguments):
    """The equations of all matrix products in a function, inner programs included."""

    def walk(jaxpr):
        for equation in jaxpr.eqns:
            if equation.primitive.name == "dot_general":
                yield equation
            for value in equation.params.values():
                for part in value if isinstance(value, (list, tuple)) else [value]:
                    inner = getattr(part, "jaxpr", part)
                    if hasattr(inner, "eqns"):
                        yield from walk(inner)

    return list(walk(jax.make_jaxpr(function)(*arguments).jaxpr))


def updated(name, arithmetic, updates=1):
    agent, state, batch = started(name, arithmetic)

    def step(state, key):
        return agent.update(state, batch, key)

    return jax.jit(lambda s: jax.lax.scan(step, s, jax.random.split(jax.random.key(1), updates)))(state)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_products_of_hidden_layers_are_in_bfloat16_and_all_others_in_float32(name):
    agent, state, batch = started(name, BFLOAT16)
    found = products(agent.update, state, batch, jax.random.key(1))
    for equation in found:
        arrays = [variable.aval for variable in (*equation.invars, *equation.outvars)]
        of_output = any(OUTPUTS & set(array.shape) for array in arrays)
        assert {a.dtype for a in arrays} == {jnp.dtype("float32" if of_output else "bfloat16")}, equation
    kinds = {equation.invars[0].aval.dtype.name for equation in found}
    assert kinds == {"float32", "bfloat16"}
    plain, state, batch = started(name, Arithmetic())
    found = products(plain.update, state, batch, jax.random.key(1))
    assert {v.aval.dtype.name for e in found for v in e.invars} == {"float32"}
    assert {equation.params["precision"] for equation in found} == {None}


@pytest.mark.parametrize("precision", [jax.lax.Precision.HIGH, jax.lax.Precision.HIGHEST])
def test_the_precision_reaches_every_product_of_an_update(precision):
    agent = agent_with("rankq", Arithmetic(precision=precision), critic_layer_norm="before")
    batch = jax.tree.map(jnp.asarray, make_batch())
    state = agent.init(jax.random.key(0), batch)
    found = products(agent.update, state, batch, jax.random.key(1))
    assert len(found) > 10
    assert {equation.params["precision"] for equation in found} == {(precision, precision)}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_states_and_metrics_stay_float32(name):
    before = started(name, BFLOAT16)[1]
    after, metrics = updated(name, BFLOAT16)
    kinds = {leaf.dtype for leaf in jax.tree.leaves((before, after, metrics))}
    assert jnp.dtype("bfloat16") not in kinds and jnp.dtype("float32") in kinds
    # and the first weights are those of float32, bit for bit
    jax.tree.map(np.testing.assert_array_equal, before, started(name, Arithmetic())[1])


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - set(VLA_PRESETS)))
@pytest.mark.parametrize("place", ["none", "before", "after"])
def test_outputs_of_every_network_are_float32(family, place, key):
    sizes = {**SIZES, "arithmetic": BFLOAT16, "critic_layer_norm": place}
    policy, critic, value, _ = FAMILIES[family](ACTION_SIZE, **sizes)
    observation, action = jnp.ones((BATCH, 3)), jnp.zeros((BATCH, ACTION_SIZE))

    def outputs():
        own = policy.init(key, observation, action)
        yield policy.mode(own, observation)
        yield policy.sample(own, observation, key)
        if policy.log_density is not None:
            yield policy.log_density(own, observation, action)
        members = critic.init(key, observation, action)
        yield critic.apply(members, observation, action)
        yield critic.apply_to_set(members, observation, action[:, None])
        yield value.apply(value.init(key, observation), observation)

    for leaf in jax.tree.leaves(jax.eval_shape(lambda: list(outputs()))):
        assert leaf.dtype == jnp.float32


@pytest.mark.parametrize("name", ALGORITHMS)
def test_an_update_of_trained_networks_differs_by_little(name):
    trained, _ = updated(name, Arithmetic(), 300)
    full, half = (
        jax.jit(agent.update)(trained, batch, jax.random.key(2))[1]
        for agent, _, batch in (started(name, Arithmetic()), started(name, BFLOAT16))
    )
    losses = [field for field in full if field.endswith("/loss") or field == "critic/td"]
    assert len(losses) >= 3
    for field in losses:
        np.testing.assert_allclose(half[field], full[field], rtol=2e-2, err_msg=field)
    assert half["critic/td"] != full["critic/td"]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_short_training_ends_with_a_bellman_error_of_the_same_size(name):
    full, half = (updated(name, arithmetic, 300)[1]["critic/td"] for arithmetic in (Arithmetic(), BFLOAT16))
    assert np.mean(full[-50:]) < 0.5 * np.mean(full[:50])  # it has learned something
    np.testing.assert_allclose(np.mean(half[-50:]), np.mean(full[-50:]), rtol=0.25)


def with_execution(**fields):
    config = configs.arm("rankq", "pointmaze-umaze,smoke")
    config.execution.update(fields)
    return configs.parse(config)


@pytest.mark.parametrize(
    ("fields", "dtype", "precision"),
    [
        ({}, "float32", None),
        ({"compute_dtype": "bfloat16"}, "bfloat16", None),
        ({"matmul_precision": "high"}, "float32", (jax.lax.Precision.HIGH,) * 2),
        ({"matmul_precision": "highest"}, "float32", (jax.lax.Precision.HIGHEST,) * 2),
    ],
)
def test_a_configuration_chooses_both(fields, dtype, precision, key):
    networks = agents.networks_of(with_execution(**fields), ACTION_SIZE)
    observation, action = jnp.ones((BATCH, 3)), jnp.zeros((BATCH, ACTION_SIZE))
    for found in (
        products(networks.critic.apply, networks.critic.init(key, observation, action), observation, action),
        products(networks.policy.mode, networks.policy.init(key, observation, action), observation),
        products(networks.value.apply, networks.value.init(key, observation), observation),
    ):
        assert found[0].invars[0].aval.dtype == dtype
        assert {equation.params["precision"] for equation in found} == {precision}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"compute_dtype": "bfloat"}, r"execution.compute_dtype: unknown value 'bfloat'. .*'bfloat16'\?"),
        ({"compute_dtype": "auto"}, r"compute_dtype: unknown value 'auto'.* float32, bfloat16\."),
        ({"matmul_precision": "higest"}, r"matmul_precision: unknown value 'higest'. .*'highest'\?"),
    ],
)
def test_unknown_values_end_with_one_line(fields, message):
    with pytest.raises(InputError, match=message) as error:
        agents.networks_of(with_execution(**fields), ACTION_SIZE)
    assert "\n" not in str(error.value)
