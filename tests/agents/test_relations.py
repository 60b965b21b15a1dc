"""What the arms of a comparison must have in common, and where gradients must point."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rankq_jax.action_sets import perturbed
from rankq_jax.agents import cal_ql, cql, rankq, sac
from rankq_jax.agents.backups import max_target_backup
from rankq_jax.agents.regularizers import CriticView, cql_regularizer, dual_scaled, rankq_regularizer, scaled
from rankq_jax.losses import RANKQ_ORDER
from tests.conftest import make_agent, make_parts


def three_updates(agent, batch, key):
    state, update = jax.jit(agent.init)(key, batch), jax.jit(agent.update)
    for i in range(3):
        state, metrics = update(state, batch, jax.random.fold_in(key, i))
    return state, metrics


@pytest.mark.parametrize(
    "agent",
    [
        lambda parts: rankq(*parts, success_weight=0.0, failure_weight=0.0),
        lambda parts: cql(*parts, weight=0.0, lagrange=False),
        lambda parts: cal_ql(*parts, weight=0.0, lagrange=False),
    ],
)
def test_a_zero_weight_is_sac(agent, batch, key):
    plain, _ = three_updates(sac(*make_parts()), batch, key)
    weighted, _ = three_updates(agent(make_parts()), batch, key)
    chex.assert_trees_all_close(plain, weighted, rtol=1e-5, atol=1e-7)


def test_cal_ql_with_returns_of_minus_infinity_is_cql(batch, key):
    floorless = batch._replace(extras={**batch.extras, "mc_return": jnp.full(8, -jnp.inf)})
    calibrated, metrics = three_updates(cal_ql(*make_parts(), lagrange=False), floorless, key)
    conservative_, _ = three_updates(cql(*make_parts(), lagrange=False), floorless, key)
    chex.assert_trees_all_close(calibrated, conservative_, rtol=1e-5, atol=1e-7)
    assert metrics["critic/cql/below_return"] == 0.0


def test_cal_ql_differs_from_cql_where_the_floor_is_active(batch, key):
    high = batch._replace(extras={**batch.extras, "mc_return": jnp.full(8, 50.0)})
    calibrated, metrics = three_updates(cal_ql(*make_parts(), lagrange=False), high, key)
    conservative_, _ = three_updates(cql(*make_parts(), lagrange=False), high, key)
    assert metrics["critic/cql/below_return"] == 1.0
    assert not np.allclose(jax.tree.leaves(calibrated.critic)[0], jax.tree.leaves(conservative_.critic)[0])


def test_a_state_has_the_dual_variables_that_its_agent_uses(batch, key):
    agent = sac(*make_parts())
    before = jax.jit(agent.init)(key, batch)
    after, _ = jax.jit(agent.update)(before, batch, key)
    assert set(before.duals) == set(after.duals) == {"temperature"}
    for lagrange, names in ((True, {"temperature", "cql_weight"}), (False, {"temperature"})):
        assert set(cql(*make_parts(), lagrange=lagrange).init(key, batch).duals) == names
    assert float(after.duals["temperature"].params) != float(before.duals["temperature"].params)


def test_the_multiplier_rises_above_the_threshold_and_falls_below(batch, key):
    for threshold, direction in ((-1e3, 1.0), (1e3, -1.0)):
        agent = cql(*make_parts(), lagrange=True, lagrange_threshold=threshold)
        before = jax.jit(agent.init)(key, batch)
        after, _ = jax.jit(agent.update)(before, batch, key)
        moved = float(after.duals["cql_weight"].params - before.duals["cql_weight"].params)
        assert np.sign(moved) == direction
        np.testing.assert_allclose(before.duals["cql_weight"].params, 1.0)  # starts at e


def test_the_target_critic_moves_after_and_towards_the_new_critic(batch, key):
    agent = sac(*make_parts(), target_rate=0.25)
    before = jax.jit(agent.init)(key, batch)
    after, _ = jax.jit(agent.update)(before, batch, key)
    expected = jax.tree.map(
        lambda new, old: 0.25 * new + 0.75 * old, after.critic.params, before.target_critic
    )
    chex.assert_trees_all_close(after.target_critic, expected, rtol=1e-5, atol=1e-7)


def linear_view(weight, observation, action, densities=None):
    """A critic `q = weight . action` with one member, and a policy that always proposes zero."""

    def q_of_set(actions):
        return jnp.einsum("bna,a->bn", actions, weight)[None]

    def propose(observation, key, samples):
        shape = (len(action), samples)
        return jnp.zeros((*shape, action.shape[1])), jnp.zeros(shape)

    return CriticView(q_of_set, (action @ weight)[None], propose, {})


def test_ranking_makes_dataset_actions_better_than_random_ones(batch, key):
    action = jnp.full((8, 2), 0.8)
    batch = batch._replace(action=action)
    regularizer = rankq_regularizer(perturbed(0.15), RANKQ_ORDER, {"success": 1.0, "failure": 1.0})

    def penalty(weight):
        return jnp.mean(regularizer(linear_view(weight, None, action), batch, key)[0])

    gradient = jax.grad(penalty)(jnp.zeros(2))
    # descending raises the value of (0.8, 0.8) over random actions, whose mean is zero
    assert (gradient < 0).all()


def test_the_failure_rows_speak_about_random_actions_alone(batch, key):
    regularizer = rankq_regularizer(perturbed(0.15), RANKQ_ORDER, {"success": 1.0, "failure": 2.0})
    view = linear_view(jnp.zeros(2), None, batch.action)
    penalty, metrics = regularizer(view, batch, key)
    expected = np.where(batch.extras["success"] > 0, 6 * np.log(2), 2.0 * np.log(2))
    np.testing.assert_allclose(penalty[0], expected, rtol=1e-6)
    np.testing.assert_allclose(metrics["rank/success_share"], 0.5)


def test_the_conservative_gap_scores_every_set_at_the_current_state(batch, key):
    seen = []

    def q_of_set(actions):
        seen.append(actions.shape)
        return jnp.zeros((1, *actions.shape[:2]))

    view = linear_view(jnp.zeros(2), None, batch.action)._replace(q_of_set=q_of_set)
    gap, _ = cql_regularizer(samples=10)(view, batch, key)
    assert seen == [(8, 30, 2)]  # uniform, current and next policy actions in one call
    # Q = 0 everywhere: 10 uniform terms of density 1/4 and 20 of density 1
    np.testing.assert_allclose(gap, np.full((1, 8), np.log(10 * 4 + 20)), rtol=1e-6)


def test_uniform_actions_are_not_calibrated(batch, key):
    batch = batch._replace(extras={**batch.extras, "mc_return": jnp.full(8, 3.0)})
    view = linear_view(jnp.zeros(2), None, batch.action)
    gap, _ = cql_regularizer(samples=10, calibrated=True)(view, batch, key)
    np.testing.assert_allclose(gap, np.full((1, 8), np.log(10 * 4 + 20 * np.exp(3.0))), rtol=1e-6)


def test_each_policy_set_is_proposed_where_it_belongs(batch, key):
    proposed = []

    def propose(observation, key, samples):
        proposed.append(observation)
        return jnp.zeros((8, samples, 2)), jnp.full((8, samples), float(len(proposed)))

    view = linear_view(jnp.zeros(2), None, batch.action)._replace(propose=propose)
    gap, _ = cql_regularizer(samples=10)(view, batch, key)
    np.testing.assert_array_equal(proposed[0], batch.observation)
    np.testing.assert_array_equal(proposed[1], batch.next_observation)
    # each set is corrected by its own density: e^1 at the current state, e^2 at the next one
    expected = np.log(10 * 4 + 10 * np.exp(-1.0) + 10 * np.exp(-2.0))
    np.testing.assert_allclose(gap, np.full((1, 8), expected), rtol=1e-6)


def test_the_multiplier_scales_the_excess_over_the_threshold(batch, key):
    view = linear_view(jnp.zeros(2), None, batch.action)._replace(duals={"cql_weight": jnp.float32(1.0)})
    two = lambda view, batch, key: (jnp.full((1, 8), 2.0), {})  # noqa: E731
    penalty, _ = dual_scaled(two, weight=5.0, threshold=0.8)(view, batch, key)
    np.testing.assert_allclose(penalty, np.full((1, 8), np.e * 5.0 * (2.0 - 0.8)), rtol=1e-6)
    huge = view._replace(duals={"cql_weight": jnp.float32(50.0)})
    penalty, _ = dual_scaled(two, weight=1.0, threshold=1.0)(huge, batch, key)
    np.testing.assert_allclose(penalty, np.full((1, 8), 1e6))  # bounded


def test_all_gradients_read_the_incoming_state(batch, key):
    """The actor and the temperature move the same whatever the critic's own step is."""
    after = []
    for critic_rate in (0.0, 0.3):
        networks, optimizers = make_parts()
        agent = sac(networks, optimizers._replace(critic=optax.sgd(critic_rate)))
        new, _ = jax.jit(agent.update)(jax.jit(agent.init)(key, batch), batch, key)
        after.append(new)
    chex.assert_trees_all_equal(after[0].actor, after[1].actor)
    chex.assert_trees_all_equal(after[0].duals["temperature"], after[1].duals["temperature"])
    with pytest.raises(AssertionError):
        chex.assert_trees_all_equal(after[0].critic.params, after[1].critic.params)


def test_the_entropy_bonus_is_that_of_the_chosen_action(batch, key):
    networks, optimizers = make_parts()
    agent = sac(networks, optimizers)
    state = jax.jit(agent.init)(key, batch)
    state.duals["temperature"] = state.duals["temperature"]._replace(params=jnp.log(0.3))
    plain = max_target_backup(5)(networks, state, batch, key)
    bonus = max_target_backup(5, entropy=True)(networks, state, batch, key)
    # the same draws, scored one by one
    expected = []
    keys = jax.random.split(key, 5)
    drawn = [networks.policy.sample(state.actor.params, batch.next_observation, k) for k in keys]
    for row in range(8):
        values = [
            float(networks.critic.apply(state.target_critic, batch.next_observation, a)[:, row].min())
            for a, _ in drawn
        ]
        best = int(np.argmax(values))
        expected.append((values[best], values[best] - 0.3 * float(drawn[best][1][row])))
    np.testing.assert_allclose(plain, [e[0] for e in expected], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(bonus, [e[1] for e in expected], rtol=1e-5, atol=1e-6)


def test_the_gap_is_clipped_before_the_weight(batch, key):
    view = linear_view(jnp.zeros(2), None, batch.action)
    penalty, _ = scaled(cql_regularizer(samples=1, clip=(-1.0, 0.5)), 4.0)(view, batch, key)
    np.testing.assert_allclose(penalty, np.full((1, 8), 4.0 * 0.5))


@pytest.mark.parametrize("name", ["td3_bc", "rebrac"])
def test_between_its_steps_the_policy_of_td3_reports_the_last_one(name, batch, key):
    agent = make_agent(name)
    update, state, reported = jax.jit(agent.update), agent.init(key, batch), []
    for _ in range(4):
        state, metrics = update(state, batch, key)
        reported.append({k: float(v) for k, v in metrics.items() if k.startswith("actor/")})
    assert set(reported[0].values()) == {0.0}  # nothing yet
    assert reported[1] == reported[2] != reported[3]
    assert reported[1]["actor/gradient_norm"] > 0.0
