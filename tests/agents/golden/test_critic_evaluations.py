"""How many critic evaluations per state one update makes, counted while it runs.

The critic of these tests reports every evaluation of one action for each state of the minibatch. A vmap over
a set of actions calls it back once for every action of the set, and an evaluation whose result is thrown away
counts too. Its parameters carry a mark, so that the target critic is told from the critic.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rankq_jax.agents import AGENTS
from rankq_jax.networks import over_actions
from rankq_jax.types import Critic
from tests.agents.golden.setting import KEY, batch, parts

TARGET_MARK = 1.0


class Evaluation(NamedTuple):
    """One action for each of the B states."""

    mark: float
    observation: np.ndarray
    action: np.ndarray


def reporting(critic, seen):
    """`critic`, telling `seen` what it is evaluated on."""

    def report(mark, observation, action):
        seen.append(Evaluation(float(mark), np.array(observation), np.array(action)))

    def init(*arguments):
        return {"own": critic.init(*arguments), "mark": jnp.zeros(())}

    def apply(params, observation, action):
        jax.debug.callback(report, params["mark"], observation, action)
        return critic.apply(params["own"], observation, action)

    return Critic(init, apply, over_actions(apply))


def counted(**arguments):
    """`{agent: [Evaluation]}` of one update."""
    found, data = {}, jax.tree.map(jnp.asarray, batch())
    for name in ("sac", "cql", "cal_ql", "rankq"):
        own = {key: value for key, value in arguments.items() if key != "next_samples" or "ql" in name}
        seen, (networks, optimizers) = [], parts()
        agent = AGENTS[name].make(
            networks._replace(critic=reporting(networks.critic, seen)), optimizers, **own
        )
        state = jax.jit(agent.init)(KEY, data)
        marked = {**state.target_critic, "mark": jnp.float32(TARGET_MARK)}
        jax.block_until_ready(jax.jit(agent.update)(state._replace(target_critic=marked), data, KEY))
        jax.effects_barrier()
        found[name] = seen
    return found


@pytest.fixture(scope="module")
def evaluations():
    """`{agent: [Evaluation]}` of one update with the default arguments."""
    return counted()


def test_evaluations_of_fine_tuning_as_the_paper_counts_them():
    """RankQ, App. C: 20 of CQL and Cal-QL against 4, beside data action, actor's sample and backup."""
    found = counted(entropy=False, backup_samples=1, next_samples=False)
    extra = {name: len(of_critic(seen)) - 2 for name, seen in found.items()}
    assert extra == {"sac": 0, "cql": 20, "cal_ql": 20, "rankq": 4}
    assert {len(of_target(seen)) for seen in found.values()} == {1}


def of_target(evaluations):
    return [e for e in evaluations if e.mark == TARGET_MARK]


def of_critic(evaluations):
    return [e for e in evaluations if e.mark != TARGET_MARK]


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("sac", 0),
        ("rankq", 4),  # noisy, very noisy, random, permuted; the data action is shared with the TD term
        ("cql", 30),  # three sets of ten; 31 actions with the data action
        ("cal_ql", 30),
    ],
)
def test_evaluations_per_state_of_one_update(evaluations, name, extra):
    seen = evaluations[name]
    assert {e.action.shape for e in seen} == {(8, 2)}  # each is one action for every state
    assert len(of_critic(seen)) == 1 + extra + 1  # the data action, the regularizer, the actor's sample
    assert len(of_target(seen)) == 10  # the max-target backup


@pytest.mark.parametrize("name", ["sac", "cql", "cal_ql", "rankq"])
def test_the_critic_sees_current_states_and_the_target_critic_next_ones(evaluations, name):
    """Also the actions that CQL draws at the next state are scored at the current one."""
    data = batch()
    for evaluation in of_critic(evaluations[name]):
        np.testing.assert_array_equal(evaluation.observation, data.observation)
    for evaluation in of_target(evaluations[name]):
        np.testing.assert_array_equal(evaluation.observation, data.next_observation)


@pytest.mark.parametrize("name", ["sac", "cql", "cal_ql", "rankq"])
def test_the_data_action_is_evaluated_once(evaluations, name):
    same = [np.array_equal(e.action, batch().action) for e in of_critic(evaluations[name])]
    assert sum(same) == 1
