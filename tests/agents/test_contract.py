"""What every registered agent promises, under every wrapper. A new agent is tested by being registered."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rankq_jax.agents import AGENTS
from rankq_jax.checkpoints import Checkpoints
from rankq_jax.lifting import jit_agent, scan_updates, vmap_seeds, with_sampling
from rankq_jax.parallel import (
    averaged,
    batch_over_devices,
    cross_device_mean,
    distributed,
    seeds_over_devices,
)
from rankq_jax.testing.agents import CHECKS, check_seeds
from rankq_jax.testing.cases import ACTION_SIZE, OBSERVATION_SIZE, Case
from tests.conftest import ARGUMENTS, BATCH, make_agent, make_batch

# Agents whose update, or whose acting, draws nothing.
UPDATE_DRAWS_NOTHING = {"bc", "iql", "oap_iql"}
ACT_DRAWS_NOTHING = {"bc", "rebrac"}


@functools.cache
def compiled_agent(name):
    """Every agent is compiled once for the whole suite."""
    agent = make_agent(name)
    return agent._replace(
        init=jax.jit(agent.init),
        update=jax.jit(agent.update),
        act=jax.jit(agent.act),
        act_greedy=jax.jit(agent.act_greedy),
    )


@pytest.fixture(params=sorted(AGENTS))
def name(request):
    return request.param


@pytest.fixture
def agent(name):
    return compiled_agent(name)


@pytest.fixture
def state(agent, key, batch):
    return agent.init(key, batch)


def assert_close(left, right, **tolerance):
    chex.assert_trees_all_close(left, right, **({"rtol": 1e-4, "atol": 1e-5} | tolerance))


def leaves_differ(left, right):
    return any(
        not np.array_equal(a, b) for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True)
    )


def stack(trees):
    return jax.tree.map(lambda *x: jnp.stack(x), *trees)


@pytest.fixture
def case(name, agent):
    batches = AGENTS[name].batches_per_update(**ARGUMENTS.get(name, {}))
    return Case(name, agent, make_batch, BATCH, batches, AGENTS[name].columns)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_agent_keeps_the_contract(case, check):
    check(case)


def test_the_record_of_an_agent_names_its_dual_variables(name, state):
    assert set(getattr(state, "duals", {})) <= set(AGENTS[name].duals)
    assert AGENTS[name].name == name


def test_update_is_a_function_of_its_arguments(name, agent, state, batch, key):
    first, second = agent.update(state, batch, key), agent.update(state, batch, key)
    chex.assert_trees_all_equal(first, second)
    other = agent.update(state, batch, jax.random.key(8))
    assert leaves_differ(first[0], other[0]) == (name not in UPDATE_DRAWS_NOTHING)


def test_act_and_mode_stay_in_the_box(name, agent, state, batch, key):
    params = agent.params(state)
    observation = 100.0 * batch.observation
    explored = agent.act(params, observation, key)
    greedy = agent.act_greedy(params, observation, key)
    for action in (explored, greedy):
        assert action.shape == (BATCH, ACTION_SIZE)
        assert np.abs(action).max() <= 1.0
    again = agent.act(params, observation, jax.random.key(9))
    assert leaves_differ(explored, again) == (name not in ACT_DRAWS_NOTHING)
    np.testing.assert_array_equal(greedy, agent.act_greedy(params, observation, jax.random.key(9)))


@pytest.mark.parametrize("ahead", [False, True])
def test_sampled_and_repeated_draw_and_apply_k_batches(ahead, agent, state, batch, key):
    def pick(source, k):
        return jax.tree.map(lambda x: x[jax.random.randint(k, (4,), 0, BATCH)], source)

    lifted = jit_agent(scan_updates(with_sampling(agent, pick), 5, ahead=ahead))
    new, metrics = lifted.update(jax.tree.map(jnp.copy, state), batch, key)
    for k in jax.random.split(key, 5):
        k_batch, k_update = jax.random.split(k)
        state, _ = agent.update(state, pick(batch, k_batch), k_update)
    assert_close(new, state)
    assert {value.shape for value in metrics.values()} == {(5,)}


def test_a_seed_after_others_equals_that_seed_alone(case):
    check_seeds(case, sequential=True)


def test_seeds_over_two_devices_equal_seeds_on_one(name, batch):
    keys = jax.vmap(jax.random.key)(jnp.arange(4, dtype=jnp.uint32))
    # Plain gradient descent: Adam would turn the rounding of a gradient near zero into a whole step.
    lifted = vmap_seeds(make_agent(name, rule=lambda rate: optax.sgd(100 * rate)))
    results = []
    for devices in (jax.devices()[:1], jax.devices()):
        layout = seeds_over_devices(4, devices)
        assert layout.devices == len(devices)
        spread = distributed(lifted, layout, data_axes=None)
        shared = layout.replicate(batch)
        states = spread.init(layout.split(keys), shared)
        for _ in range(2):
            states, metrics = spread.update(states, shared, layout.split(keys))
        results.append((layout.merge(states), layout.merge(metrics)))
        assert jax.tree.leaves(spread.params(states))[0].shape[0] == 4
    assert_close(*(jax.device_get(result) for result in results))


def test_replicas_stay_identical_and_descend_together(name, batch):
    agent = make_agent(name, cross_device_mean())
    layout = batch_over_devices(jax.devices())
    spread = distributed(vmap_seeds(averaged(agent)), layout, data_axes=None)
    keys = jax.vmap(jax.random.key)(jnp.zeros(1, jnp.uint32))
    shared = layout.replicate(batch)
    # `init` is lifted too: every replica starts from the same key
    states = spread.init(layout.split(keys), shared)
    for _ in range(3):
        states, _ = spread.update(states, shared, layout.split(keys))
    for leaf in jax.tree.leaves(states):
        first, second = (shard.data[0] for shard in leaf.addressable_shards)
        np.testing.assert_array_equal(first, second)


def test_two_devices_take_the_mean_of_their_gradients(name, key, batch):
    """With plain gradient descent the mean gradient leads to the mean of the two devices' own results."""
    own = make_agent(name, rule=optax.sgd)
    state = compiled_start(own, key, batch)
    halves = [jax.tree.map(jnp.asarray, make_batch(i)) for i in (1, 2)]
    update = jax.jit(own.update)
    alone = [update(state, halves[i], jax.random.fold_in(key, i))[0] for i in range(2)]
    expected = jax.tree.map(lambda a, b: (a + b) / 2, *alone)

    shared = averaged(make_agent(name, cross_device_mean(), optax.sgd))
    layout = batch_over_devices(jax.devices())
    spread = layout.lift(shared.update, in_axes=(0, 0, None))
    both, _ = spread(layout.split(compiled_start(shared, key, batch)), stack(halves), key)
    for replica in range(2):
        mine = jax.tree.map(lambda x, r=replica: np.asarray(x)[r], both)
        for part in set(mine._fields) - {"step", "duals"}:
            ours, theirs = getattr(mine, part), getattr(expected, part)
            assert_close(getattr(ours, "params", ours), getattr(theirs, "params", theirs), rtol=1e-3)
        for dual, variable in getattr(mine, "duals", {}).items():
            assert_close(variable.params, expected.duals[dual].params)


def compiled_start(agent, key, batch):
    return jax.jit(agent.init)(key, batch)


def test_a_checkpoint_gives_the_state_back(agent, batch, key, tmp_path):
    layout = seeds_over_devices(2, jax.devices())
    spread = distributed(vmap_seeds(agent), layout, data_axes=None)
    keys = layout.split(jax.vmap(jax.random.key)(jnp.arange(2, dtype=jnp.uint32)))
    shared = layout.replicate(batch)
    state, _ = spread.update(spread.init(keys, shared), shared, keys)
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save({"agent": state}, {"note": 5})
    checkpoints.close()
    found = checkpoints.restore({"agent": spread.init(keys, shared)})
    chex.assert_trees_all_equal(jax.device_get(found.parts["agent"]), jax.device_get(state))
    assert found.notes == {"note": 5}
    again, _ = spread.update(found.parts["agent"], shared, keys)  # and it can go on from there
    assert int(layout.merge(again).step[0]) == 2


def test_observation_sizes_come_from_the_example(agent, key):
    wide = make_batch()._replace(observation=np.zeros((BATCH, OBSERVATION_SIZE + 4), np.float32))
    action = agent.act_greedy(agent.params(agent.init(key, wide)), wide.observation, key)
    assert action.shape == (BATCH, ACTION_SIZE)
