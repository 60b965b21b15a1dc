"""From one algorithm to another: what the next agent keeps, adds and drops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rankq_jax import lifting
from rankq_jax.agents import awac, cql, iql, rankq, sac
from tests.conftest import make_parts


def trained(agent, batch, key):
    state, update = jax.jit(agent.init)(key, batch), jax.jit(agent.update)
    for _ in range(2):
        state, _ = update(state, batch, key)
    return state


def assert_equal(left, right):
    jax.tree.map(np.testing.assert_array_equal, left, right)


def test_states_with_the_same_variables_go_on_as_they_are(batch, key):
    state = trained(rankq(*make_parts()), batch, key)
    after = lifting.go_on(sac(*make_parts()), state, key, batch)
    assert all(a is b for a, b in zip(jax.tree.leaves(after), jax.tree.leaves(state), strict=True))


def test_a_dual_variable_that_is_new_starts_and_the_others_go_on(batch, key):
    before = trained(sac(*make_parts()), batch, key)
    agent = cql(*make_parts(), lagrange=True)
    after = lifting.go_on(agent, before, jax.random.key(1), batch)
    assert set(after.duals) == {"temperature", "cql_weight"}
    assert_equal(after._replace(duals={}), before._replace(duals={}))
    assert_equal(after.duals["temperature"], before.duals["temperature"])
    assert float(before.duals["temperature"].params) != 0.0  # it had moved
    assert float(after.duals["cql_weight"].params) == 1.0  # a logarithm
    assert all(not np.any(leaf) for leaf in jax.tree.leaves(after.duals["cql_weight"].opt_state))
    again, _ = jax.jit(agent.update)(after, batch, key)
    assert int(again.step) == 3


def test_a_dual_variable_that_is_not_used_is_dropped(batch, key):
    before = trained(cql(*make_parts(), lagrange=True), batch, key)
    for agent, names in ((sac(*make_parts()), {"temperature"}), (awac(*make_parts(family="awac")), set())):
        kept = before._replace(duals={name: before.duals[name] for name in names})
        if names:
            assert_equal(lifting.go_on(agent, before, key, batch), kept)
        else:
            with pytest.raises(ValueError, match=r"is .* there and .* here"):  # another family of networks
                lifting.go_on(agent, before, key, batch)


def test_it_goes_through_seeds_and_statistics(batch, key):
    keys = jax.vmap(jax.random.key)(jnp.arange(2, dtype=jnp.uint32))
    first, second = (
        lifting.vmap_seeds(lifting.normalize_observations(agent))
        for agent in (sac(*make_parts()), cql(*make_parts(), lagrange=True))
    )
    before = first.init(keys, batch)
    other = batch._replace(observation=batch.observation + 5.0)  # whose mean is another one
    after = lifting.go_on(second, before, keys, other)
    assert_equal((after.mean, after.deviation), (before.mean, before.deviation))
    assert after.inner.duals["cql_weight"].params.shape == (2,)


@pytest.mark.parametrize("other", ["kind", "shape"])
def test_other_states_are_refused_by_name(other, batch, key):
    before = trained(sac(*make_parts()), batch, key)
    if other == "kind":
        with pytest.raises(ValueError, match="a ActorCriticState is no IQLState"):
            lifting.go_on(iql(*make_parts(family="iql")), before, key, batch)
        return
    wider = sac(*make_parts(sizes={"hidden": (16, 16)}))
    with pytest.raises(ValueError, match=r"\.actor\.params.* is .* there and .* here"):
        lifting.go_on(wider, before, key, batch)
