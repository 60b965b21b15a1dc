"""The whole update on problems whose answer is known."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np

from rankq_jax.agents import Optimizers, rankq, sac
from rankq_jax.agents.backups import max_target_backup
from rankq_jax.lifting import jit_agent, scan_updates, with_sampling
from rankq_jax.networks import Networks, ensemble, over_actions, state_value, tanh_gaussian
from rankq_jax.types import Critic, Policy, Transition

OPTIMIZERS = Optimizers.adam(3e-3)


def test_td_learning_finds_the_value_of_a_two_state_chain(key):
    """s0 -> s1 -> end with rewards -1 and 5, discount 0.9: Q(s1) = 5, Q(s0) = -1 + 0.9 * 5 = 3.5."""
    networks = Networks(tanh_gaussian((16,), 1), ensemble((32, 32), 2), state_value((8,)), 1)
    random = np.random.default_rng(0)
    state = np.arange(64) % 2
    first = state == 0
    data = Transition(
        observation=jnp.eye(2)[state],
        action=jnp.asarray(random.uniform(-1, 1, (64, 1)), jnp.float32),
        reward=jnp.where(first, -1.0, 5.0),
        discount=jnp.where(first, 0.9, 0.0),
        next_observation=jnp.eye(2)[np.ones(64, int)],
        extras={"success": jnp.ones(64), "mc_return": jnp.zeros(64)},
    )
    agent = jit_agent(
        scan_updates(
            with_sampling(sac(networks, OPTIMIZERS, backup_samples=1, target_rate=0.05), lambda d, k: d), 800
        )
    )
    trained, _ = agent.update(agent.init(key, data), data, key)
    actions = jnp.array([[-0.5], [0.0], [0.5]])
    for index, expected in ((0, 3.5), (1, 5.0)):
        q = networks.critic.apply(trained.critic.params, jnp.tile(jnp.eye(2)[index], (3, 1)), actions)
        np.testing.assert_allclose(q, np.full((2, 3), expected), atol=0.25)


def test_ranking_turns_the_policy_to_the_successful_action(key):
    """One state, every reward equal, successes at (0.5, 0.5) and failures at (-0.5, -0.5).

    TD learning sees no difference between the two; the ranking does.
    """
    networks = Networks(tanh_gaussian((16,), 2), ensemble((32, 32), 2), state_value((8,)), 2)
    success = (np.arange(64) % 2).astype(np.float32)
    centre = np.where(success[:, None] > 0, 0.5, -0.5)
    data = Transition(
        observation=jnp.ones((64, 1)),
        action=jnp.asarray(centre + np.random.default_rng(1).normal(0, 0.05, (64, 2)), jnp.float32),
        reward=jnp.zeros(64),
        discount=jnp.zeros(64),
        next_observation=jnp.ones((64, 1)),
        extras={"success": jnp.asarray(success), "mc_return": jnp.zeros(64)},
    )
    agent = jit_agent(
        scan_updates(with_sampling(rankq(networks, OPTIMIZERS, backup_samples=1), lambda d, k: d), 600)
    )
    trained, metrics = agent.update(agent.init(key, data), data, key)
    action = agent.act_greedy(agent.params(trained), jnp.ones((1, 1)), key)
    assert (np.asarray(action) > 0.15).all(), action
    assert metrics["critic/rank/success/data_over_random"][-1] > 0.8


def test_the_backup_takes_the_minimum_over_members_before_the_maximum_over_actions(key):
    """Members disagree: min over members per action is (0, 1, -4), so the answer is 1 and not 5."""
    actions = jnp.array([-1.0, 0.0, 1.0])
    tables = jnp.array([[0.0, 1.0, 5.0], [3.0, 2.0, -4.0]])

    def sample(params, observation, k):
        index = jax.random.choice(k, 3)
        return actions[index].reshape(1, 1), jnp.zeros(1)

    def apply(params, observation, action):
        return tables[:, jnp.round(action[:, 0] + 1).astype(int)]

    networks = Networks(Policy(None, sample, None), Critic(None, apply, over_actions(apply)), None, 1)
    state = SimpleNamespace(actor=SimpleNamespace(params=None), target_critic=None, duals={})
    batch = Transition(None, None, None, None, jnp.zeros((1, 1)), {})
    value = max_target_backup(64)(networks, state, batch, key)  # 64 draws meet all three actions
    np.testing.assert_array_equal(value, [1.0])
