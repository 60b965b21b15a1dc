"""What another run's state gives to a new one: by name, whole parts, and nothing else."""

import jax
import numpy as np
import pytest

from rankq_jax.lifting import jit_agent, normalize_observations
from rankq_jax.transfer import transfer
from tests.conftest import make_agent, make_batch


def trained(name, wrap=lambda agent: agent, sizes=None, seed=0):
    """An agent and a state of it after three updates."""
    agent = jit_agent(wrap(make_agent(name, **({"sizes": sizes} if sizes else {}))))
    batch = make_batch(seed)
    state = agent.init(jax.random.key(seed), batch)
    for key in jax.random.split(jax.random.key(seed), 3):
        state, _ = agent.update(state, batch, key)
    return agent, state


def first(agent):
    return agent.init(jax.random.key(9), make_batch(9))


def same(one, other):
    return all(map(np.array_equal, *map(jax.tree.leaves, (one, other))))


def test_the_same_agent_takes_all_but_the_count_of_updates():
    agent, old = trained("rankq")
    found = transfer(agent, first(agent), old)
    assert found.initialized == () and set(found.copied) == {
        "actor", "critic", "target_critic", "duals.temperature",
    }  # fmt: skip
    assert same(found.state._replace(step=0), old._replace(step=0)) and int(found.state.step) == 0


def test_another_algorithm_takes_what_both_have():
    old = trained("cql")[1]
    agent, _ = trained("rankq")
    new = first(agent)
    found = transfer(agent, new, old)
    assert same(found.state.actor, old.actor) and same(
        found.state.duals["temperature"], old.duals["temperature"]
    )
    old_iql = trained("iql")[1]
    found = transfer(agent, new, old_iql)  # another policy, the same critics
    assert set(found.copied) == {"critic", "target_critic"}
    assert set(found.initialized) == {"actor", "duals"}
    assert same(found.state.critic, old_iql.critic) and same(found.state.actor, new.actor)


def test_a_network_of_another_size_is_initialized_whole():
    old = trained("rankq", sizes={"actor_hidden": (16,), "critic_hidden": (16, 8)})[1]
    agent, _ = trained("rankq")
    new = first(agent)
    found = transfer(agent, new, old)
    assert same(found.state.critic, new.critic) and same(found.state.target_critic, new.target_critic)
    assert same(found.state.actor, old.actor)
    assert set(found.initialized) == {"critic", "target_critic"}


@pytest.mark.parametrize("name", ["rankq", "td3_bc", "iql", "bc"])
def test_the_policy_alone(name):
    agent, old = trained(name)
    new = first(agent)
    found = transfer(agent, new, old, policy_only=True)
    assert same(found.state.actor.params, old.actor.params)
    assert same(found.state.actor.opt_state, new.actor.opt_state)
    if name == "td3_bc":
        assert same(found.state.target_actor, old.target_actor)
    if name != "bc":
        assert same(found.state.critic, new.critic) and "critic" in found.initialized
    batch = make_batch(3)
    actions = [
        agent.act_greedy(agent.params(s), batch.observation, jax.random.key(0)) for s in (found.state, old)
    ]
    np.testing.assert_array_equal(*actions)


def test_statistics_of_observations_belong_to_the_weights():
    agent, old = trained("rankq", normalize_observations)
    found = transfer(agent, first(agent), old, policy_only=True)
    assert same((found.state.mean, found.state.deviation), (old.mean, old.deviation))
    assert same(found.state.inner.actor.params, old.inner.actor.params)
    plain, state = trained("rankq")
    with pytest.raises(ValueError, match="only the other run normalizes observations"):
        transfer(plain, state, old)
    with pytest.raises(ValueError, match="only this run normalizes observations"):
        transfer(agent, old, state)


def test_states_without_a_common_part_are_refused():
    agent, new = trained("bc")
    old = trained("rankq", sizes={"actor_hidden": (8,), "critic_hidden": (8,)})[1]
    with pytest.raises(ValueError, match="a ActorCriticState and a BCState have no part in common"):
        transfer(agent, new, old)
