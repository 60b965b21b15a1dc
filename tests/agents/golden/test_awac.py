"""AWAC (arXiv 2006.09359, Eq. 11, in the order of CORL's code) against plain numpy."""

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
    start,
    updated,
)
from tests.agents.golden.setting import KEY, TERMINAL, assert_near, batch

AWAC = Setup("awac")
LAMBDA = 2.0
K_CRITIC, K_ACTOR = jax.random.split(KEY)
NEXT, OWN = jax.random.split(K_CRITIC, 1)[0], jax.random.split(K_ACTOR)[0]


def sampled(actor, observation, key):
    """`mean + std eps`, clipped to the box; the mean is not squashed."""
    mean, log_std = family.gaussian(actor, observation, False, -20.0)
    return np.clip(mean + np.exp(log_std) * normal(key), -1.0, 1.0)


def target(given):
    """`r + gamma (1 - d) min_k Qbar_k(s', a')` with `a' ~ pi`."""
    following = given.batch.next_observation
    action = sampled(given.actor, following, NEXT)
    value = family.q_values(given.target_critic, following, action).min(axis=0)
    return given.batch.reward + given.batch.discount * value


def weight(critic, given, temperature=LAMBDA, limit=100.0):
    """`min(exp((min_k Q_k(s, a) - min_k Q_k(s, a_pi)) / lambda), 100)` with one sample `a_pi ~ pi`."""
    own = sampled(given.actor, given.batch.observation, OWN)
    recorded, free = (
        family.q_values(critic, given.batch.observation, action).min(axis=0)
        for action in (given.batch.action, own)
    )
    return np.minimum(np.exp((recorded - free) / temperature), limit)


def policy_loss(actor, given, w):
    """`-mean w log pi(a|s)`; the weight is a constant of the gradient, the sample in it too."""
    mean, log_std = family.gaussian(actor, given.batch.observation, False, -20.0)
    return -np.mean(w * family.normal_log_density(given.batch.action, mean, log_std))


def test_the_critics_regress_to_the_smaller_target_critic_at_a_policy_sample():
    given, update = known(start(AWAC)), updated(AWAC, temperature=LAMBDA)
    y = target(given)
    assert y[TERMINAL] == given.batch.reward[TERMINAL]
    following = given.batch.next_observation
    both = family.q_values(given.target_critic, following, sampled(given.actor, following, NEXT))
    assert set(both.argmin(axis=0)) == {0, 1}
    assert_near(update.metrics["critic/target"], y.mean())
    assert_near(update.metrics["critic/loss"], family.td_loss(given.critic, given.batch, y))
    slope = reference.gradient(lambda p: family.td_loss(p, given.batch, y), given.critic)
    assert_near(update.gradient.critic, slope)


@pytest.mark.parametrize("temperature", [LAMBDA, 1.0])
def test_the_policy_regresses_to_the_data_by_the_advantage_under_the_moved_critics(temperature):
    given, update = known(start(AWAC)), updated(AWAC, temperature=temperature)
    w = weight(family.critic_after(given, target(given)), given, temperature)
    assert w.max() < 100.0
    assert_near(update.metrics["actor/weight"], w.mean())
    assert_near(update.metrics["actor/advantage"], temperature * np.log(w).mean())
    assert_near(update.metrics["actor/loss"], policy_loss(given.actor, given, w))
    slope = reference.gradient(lambda p: policy_loss(p, given, w), given.actor)
    assert_near(update.gradient.actor, slope)


def test_no_weight_exceeds_a_hundred():
    given, update = known(start(AWAC)), updated(AWAC, temperature=0.05)
    free = weight(family.critic_after(given, target(given)), given, 0.05, np.inf)
    assert 0 < (free > 100.0).sum() < 8
    w = np.minimum(free, 100.0)
    assert_near(update.metrics["actor/weight"], w.mean())
    assert_near(update.metrics["actor/loss"], policy_loss(given.actor, given, w))
    slope = reference.gradient(lambda p: policy_loss(p, given, w), given.actor)
    assert_near(update.gradient.actor, slope)


def test_the_old_critics_and_the_target_critics_would_have_been_noticed():
    given = known(start(AWAC))
    critics = (family.critic_after(given, target(given)), given.critic, given.target_critic)
    assert apart(*(policy_loss(given.actor, given, weight(critic, given)) for critic in critics))


def test_the_target_critics_take_their_share_and_the_temperature_rests():
    before = start(AWAC)
    given, update = known(before), updated(AWAC, temperature=LAMBDA)
    new = family.critic_after(given, target(given))
    assert_moved(update.subtracted.critic, given.critic, new)
    assert_moved(update.subtracted.target_critic, given.target_critic, new, share=0.005)
    jax.tree.map(np.testing.assert_array_equal, update.after.duals, before.duals)


def test_the_log_deviation_is_bounded_by_minus_twenty_and_two_alone():
    """-6 stays as it is, which IQL would have raised to -5; 3 counts as 2 and cannot learn."""
    state = start(AWAC)
    params = {**state.actor.params["params"], "log_std": np.float32([-6.0, 3.0])}
    state = state._replace(actor=state.actor._replace(params={"params": params}))
    mean = family.gaussian(known(state).actor, batch().observation, False, -20.0)[0]
    data = batch()._replace(action=(mean + 0.002).astype(np.float32))
    given, update = known(state, data), updated(AWAC, state, data, temperature=LAMBDA)
    z = (given.batch.action - mean) * np.exp([6.0, -2.0])
    by_hand = np.sum(-0.5 * z**2 - np.log(2.0 * np.pi) / 2.0, axis=1) + 6.0 - 2.0
    np.testing.assert_allclose(update.metrics["actor/log_density"], by_hand.mean(), rtol=1e-4)
    low, high = update.gradient.actor["params"]["log_std"]
    assert low != 0.0 and high == 0.0


def test_collected_actions_are_samples_and_evaluated_ones_the_clipped_mean():
    made, params, seen = agent(AWAC), start(AWAC).actor.params, batch().observation
    given = known(start(AWAC))
    mean, _ = family.gaussian(given.actor, given.batch.observation, False, -20.0)
    assert (np.abs(mean) > 1.0).any()
    assert_near(jax.jit(made.act)(params, seen, KEY), sampled(given.actor, given.batch.observation, KEY))
    assert_near(jax.jit(made.act_greedy)(params, seen, KEY), np.clip(mean, -1.0, 1.0))
