"""IQL (arXiv 2110.06169, Eqs. 5 to 7, in the order of its code) against plain numpy."""

import jax
import numpy as np
import pytest

from tests.agents.golden import family_reference as family
from tests.agents.golden import reference
from tests.agents.golden.family_setting import (
    Setup,
    agent,
    apart,
    assert_moved,
    known,
    normal,
    parts,
    start,
    updated,
)
from tests.agents.golden.setting import KEY, TERMINAL, assert_near, batch

IQL = Setup("iql")
LEVEL, BETA = 0.8, 2.0
ARGUMENTS = {"expectile_level": LEVEL, "inverse_temperature": BETA}


def q_data(given):
    """`min_k Qbar_k(s, a)` of the target critics."""
    return family.q_values(given.target_critic, given.batch.observation, given.batch.action).min(axis=0)


def value_loss(value, given, level=LEVEL):
    """`mean |tau - 1(u < 0)| u^2` with `u = min_k Qbar_k(s, a) - V(s)`."""
    u = q_data(given) - family.state_value(value, given.batch.observation)
    return np.mean(np.abs(level - (u < 0.0)) * u**2)


def value_after(given):
    slope = reference.gradient(lambda p: value_loss(p, given), given.value)
    return family.descended(given.value, slope)


def weight(q, value, given, beta=BETA, limit=100.0):
    """`min(exp(beta (q - V(s))), 100)`."""
    return np.minimum(np.exp(beta * (q - family.state_value(value, given.batch.observation))), limit)


def policy_loss(actor, given, w, masks=()):
    """`-mean w log pi(a|s)`; the weight is a constant of the gradient."""
    mean, log_std = family.gaussian(actor, given.batch.observation, True, -5.0, masks)
    return -np.mean(w * family.normal_log_density(given.batch.action, mean, log_std))


@pytest.mark.parametrize("level", [LEVEL, 0.3])
def test_the_value_moves_to_an_expectile_of_the_smaller_target_critic(level):
    given, update = known(start(IQL)), updated(IQL, **{**ARGUMENTS, "expectile_level": level})
    u = q_data(given) - family.state_value(given.value, given.batch.observation)
    assert (u < 0.0).any() and (u > 0.0).any()
    assert_near(update.metrics["value/loss"], value_loss(given.value, given, level))
    assert_near(update.metrics["value/advantage"], u.mean())
    slope = reference.gradient(lambda p: value_loss(p, given, level), given.value)
    assert_near(update.gradient.value, slope)


def test_the_policy_regresses_to_the_data_by_the_advantage_over_the_new_value():
    given, update = known(start(IQL)), updated(IQL, **ARGUMENTS)
    w = weight(q_data(given), value_after(given), given)
    assert_near(update.metrics["actor/weight"], w.mean())
    assert_near(update.metrics["actor/loss"], policy_loss(given.actor, given, w))
    # into the mean and into the log deviations, and not into the weight
    slope = reference.gradient(lambda p: policy_loss(p, given, w), given.actor)
    assert_near(update.gradient.actor, slope)


def test_no_weight_exceeds_a_hundred():
    given, update = known(start(IQL)), updated(IQL, **{**ARGUMENTS, "inverse_temperature": 12.0})
    free = weight(q_data(given), value_after(given), given, 12.0, np.inf)
    assert 0 < (free > 100.0).sum() < 8
    w = np.minimum(free, 100.0)
    assert_near(update.metrics["actor/weight"], w.mean())
    assert_near(update.metrics["actor/loss"], policy_loss(given.actor, given, w))
    slope = reference.gradient(lambda p: policy_loss(p, given, w), given.actor)
    assert_near(update.gradient.actor, slope)


def test_both_critics_regress_to_the_new_value_of_the_next_state():
    given, update = known(start(IQL)), updated(IQL, **ARGUMENTS)
    read = given.batch
    y = read.reward + read.discount * family.state_value(value_after(given), read.next_observation)
    assert y[TERMINAL] == read.reward[TERMINAL]
    assert_near(update.metrics["critic/target"], y.mean())
    assert_near(update.metrics["critic/loss"], family.td_loss(given.critic, read, y))
    slope = reference.gradient(lambda p: family.td_loss(p, read, y), given.critic)
    assert_near(update.gradient.critic, slope)
    new = family.descended(given.critic, slope)
    assert_moved(update.subtracted.critic, given.critic, new)
    assert_moved(update.subtracted.target_critic, given.target_critic, new, share=0.005)


def test_nothing_follows_a_terminal_row():
    ended = batch()._replace(discount=np.zeros(8, np.float32))
    given, update = known(start(IQL)), updated(IQL, data=ended, **ARGUMENTS)
    assert_near(update.metrics["critic/loss"], family.td_loss(given.critic, given.batch, given.batch.reward))


def test_other_orders_and_other_critics_would_have_been_noticed():
    """The old value in the weight or in the target, the online critic in the weight or in the value."""
    given = known(start(IQL))
    old, new = given.value, value_after(given)
    online = family.q_values(given.critic, given.batch.observation, given.batch.action).min(axis=0)
    losses = [
        policy_loss(given.actor, given, weight(q, value, given))
        for q in (q_data(given), online)
        for value in (old, new)
    ]
    assert apart(*losses)
    ahead = [family.state_value(value, given.batch.next_observation).mean() for value in (old, new)]
    assert apart(*ahead)
    other = known(start(IQL))
    other.target_critic = given.critic
    assert apart(value_loss(old, given), value_loss(old, other))


def log_stds(state, *values):
    """`state` with these learned log deviations."""
    params = {**state.actor.params["params"], "log_std": np.asarray(values, np.float32)}
    return state._replace(actor=state.actor._replace(params={"params": params}))


def test_the_log_deviation_is_bounded_by_minus_five_and_two():
    """-6 counts as -5 and 3 as 2, and neither can learn; the actions of the data are near the mean."""
    state = log_stds(start(IQL), -6.0, 3.0)
    near = family.gaussian(known(state).actor, batch().observation, True, -5.0)[0] + 0.005
    data = batch()._replace(action=near.astype(np.float32))
    given, update = known(state, data), updated(IQL, state, data, **ARGUMENTS)
    z = (given.batch.action - family.gaussian(given.actor, given.batch.observation, True, -5.0)[0]) * np.exp(
        [5.0, -2.0]
    )
    by_hand = np.sum(-0.5 * z**2 - np.log(2.0 * np.pi) / 2.0, axis=1) + 5.0 - 2.0
    assert_near(update.metrics["actor/log_density"], by_hand.mean())
    np.testing.assert_array_equal(update.gradient.actor["params"]["log_std"], [0.0, 0.0])


def test_a_sample_is_a_clipped_normal_whose_density_knows_no_tanh():
    state, policy = log_stds(start(IQL), 0.5, -1.0), parts(IQL)[0].policy
    given, params = known(state), state.actor.params
    mean, log_std = family.gaussian(given.actor, given.batch.observation, True, -5.0)
    drawn = mean + np.exp(log_std) * normal(KEY)
    action, density = jax.jit(policy.sample)(params, batch().observation, KEY)
    assert (np.abs(drawn) > 1.0).any()
    assert_near(action, np.clip(drawn, -1.0, 1.0))
    assert_near(density, family.normal_log_density(drawn, mean, log_std))
    assert_near(jax.jit(agent(IQL).act_greedy)(params, batch().observation, KEY), mean)


def test_dropout_is_in_the_loss_of_the_policy_and_nowhere_else():
    """Of rate 1/4: kept features of the one hidden layer count 4/3, the others nothing."""
    dropping = Setup("iql", dropout=0.25)
    kept = jax.random.bernoulli(jax.random.fold_in(KEY, 0), 0.75, (8, 8))
    assert 0 < kept.sum() < 64
    masks = [np.asarray(kept) / 0.75]
    given, update = known(start(dropping)), updated(dropping, **ARGUMENTS)
    w = weight(q_data(given), value_after(given), given)
    assert_near(update.metrics["actor/loss"], policy_loss(given.actor, given, w, masks))
    slope = reference.gradient(lambda p: policy_loss(p, given, w, masks), given.actor)
    assert_near(update.gradient.actor, slope)
    params, seen = start(dropping).actor.params, batch().observation
    mean, log_std = family.gaussian(given.actor, given.batch.observation, True, -5.0)
    drawn = np.clip(mean + np.exp(log_std) * normal(KEY), -1.0, 1.0)
    assert_near(jax.jit(agent(dropping).act)(params, seen, KEY), drawn)
    assert_near(jax.jit(agent(dropping).act_greedy)(params, seen, KEY), mean)
