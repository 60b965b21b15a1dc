"""TD3+BC (arXiv 2106.06860, Eqs. 3 and 5, on TD3, arXiv 1802.09477) against plain numpy."""

import jax
import numpy as np
import optax
import pytest

from tests.agents.golden import family_reference as family
from tests.agents.golden import reference
from tests.agents.golden.family_setting import (
    Setup,
    agent,
    apart,
    assert_moved,
    known,
    lifted,
    normal,
    start,
    updated,
)
from tests.agents.golden.setting import KEY, TERMINAL, assert_near, batch

TD3_BC, WITH_ADAM = Setup("td3_bc"), Setup("td3_bc", adam=True)
SIGMA, LIMIT = 0.8, 0.5  # noise that is often clipped; by default its deviation is 0.2
NOISE = {"target_noise": SIGMA, "target_noise_limit": LIMIT}


def target(given, sigma=SIGMA, limit=LIMIT):
    """`r + gamma (1 - d) min_k Qbar_k(s', a')` at a noisy action of the target policy; no entropy."""
    following = given.batch.next_observation
    action = family.noisy_action(given.target_actor, following, normal(KEY), sigma, limit)
    value = family.q_values(given.target_critic, following, action).min(axis=0)
    return given.batch.reward + given.batch.discount * value


def pieces(actor, critic, given):
    """`Q_1(s, pi(s))` of each row, and `mean (pi(s) - a)^2` over rows and dimensions."""
    action = family.deterministic(actor, given.batch.observation)
    q = family.q_values(critic, given.batch.observation, action)[0]
    return q, np.square(action - given.batch.action).mean()


def policy_loss(actor, critic, given, scale):
    """`-lambda mean Q_1(s, pi(s)) + mean (pi(s) - a)^2` with a given lambda."""
    q, distance = pieces(actor, critic, given)
    return -scale * q.mean() + distance


@pytest.mark.parametrize(("sigma", "limit"), [(SIGMA, LIMIT), (0.2, 0.5)])
def test_the_critics_regress_to_the_smaller_target_critic_at_a_noisy_action(sigma, limit):
    update = updated(TD3_BC, target_noise=sigma, target_noise_limit=limit)
    given = known(start(TD3_BC))
    y = target(given, sigma, limit)
    assert y[TERMINAL] == given.batch.reward[TERMINAL]
    assert_near(update.metrics["critic/target"], y.mean())
    assert_near(update.metrics["critic/loss"], family.td_loss(given.critic, given.batch, y))
    slope = reference.gradient(lambda p: family.td_loss(p, given.batch, y), given.critic)
    assert_near(update.gradient.critic, slope)


def test_the_noise_and_the_noisy_action_are_clipped_where_it_shows():
    given = known(start(TD3_BC))
    proposed = family.deterministic(given.target_actor, given.batch.next_observation)
    noise = SIGMA * normal(KEY)
    assert (np.abs(noise) > LIMIT).any() and (np.abs(noise) < LIMIT).any()
    assert (np.abs(proposed + np.clip(noise, -LIMIT, LIMIT)) > 1.0).any()
    targets = [target(given).mean(), target(given, limit=np.inf).mean(), target(given, sigma=0.0).mean()]
    assert apart(*targets, by=1e-3)


def test_by_default_the_noise_has_a_deviation_of_a_fifth_and_ends_at_a_half():
    assert_near(updated(TD3_BC).metrics["critic/target"], target(known(start(TD3_BC)), 0.2, 0.5).mean())


@pytest.mark.parametrize("alpha", [2.5, 0.1])
def test_the_policy_follows_the_first_critic_that_has_just_moved(alpha):
    state = start(TD3_BC, step=1)
    given, update = known(state), updated(TD3_BC, state, alpha=alpha, **NOISE)
    critic = family.critic_after(given, target(given))
    q, distance = pieces(given.actor, critic, given)
    scale = alpha / np.abs(q).mean()
    assert_near(update.metrics["actor/scale"], scale)
    assert_near(update.metrics["actor/distance"], distance)
    assert_near(update.metrics["actor/q"], q.mean())
    assert_near(update.metrics["actor/loss"], -scale * q.mean() + distance)
    # lambda is a constant of the gradient: with one through it the values would hardly count
    slope = reference.gradient(lambda p: policy_loss(p, critic, given, scale), given.actor)
    assert_near(update.gradient.actor, slope)


def test_alpha_is_two_and_a_half_by_default():
    state = start(TD3_BC, step=1)
    defaults, named = updated(TD3_BC, state, **NOISE), updated(TD3_BC, state, alpha=2.5, **NOISE)
    assert defaults.metrics == named.metrics


def test_the_old_critic_the_smaller_one_and_signed_values_would_have_been_noticed():
    given = known(start(TD3_BC))
    critic = family.critic_after(given, target(given))
    action = family.deterministic(given.actor, given.batch.observation)
    old, new = (family.q_values(p, given.batch.observation, action) for p in (given.critic, critic))
    values = (new[0], old[0], new.min(axis=0), new.mean(axis=0))
    assert apart(*(v.mean() for v in values)) and apart(*(np.abs(v).mean() for v in values))
    assert apart(np.abs(new[0]).mean(), new[0].mean(), by=1e-3)


def test_the_second_critic_never_reaches_the_policy():
    """Its online values a hundred lower: the first one still drives the policy, and alone."""
    low = lifted(start(TD3_BC, step=1), "critic", 0.0, -100.0)
    as_ever = updated(TD3_BC, start(TD3_BC, step=1), **NOISE)
    assert_near(updated(TD3_BC, low, **NOISE).gradient.actor, as_ever.gradient.actor)


def test_the_first_of_two_updates_moves_the_critics_alone():
    """Its policy gradient leaves no trace: not in the moments of Adam, not in its count."""
    before = start(WITH_ADAM)
    update = updated(WITH_ADAM, before, **NOISE)
    for name in ("actor", "target_actor", "target_critic"):
        jax.tree.map(np.testing.assert_array_equal, getattr(update.after, name), getattr(before, name))
    assert int(update.after.step) == 1
    assert count(update.after.critic) == 1 and count(update.after.actor) == 0
    assert any(np.abs(leaf).max() > 1e-3 for leaf in jax.tree.leaves(update.subtracted.critic))


def count(trained):
    """Steps that Adam has taken."""
    return int(optax.tree.get(trained.opt_state, "count"))


def test_the_second_update_moves_all_four_networks():
    middle = updated(WITH_ADAM, **NOISE).after
    update, given = updated(WITH_ADAM, middle, **NOISE), known(middle)
    after = known(update.after)
    assert count(update.after.critic) == 2 and count(update.after.actor) == 1
    # Adam's first step: 0.01 g / |g|, and a first moment of 0.1 g
    q, _ = pieces(given.actor, after.critic, given)
    scale = 2.5 / np.abs(q).mean()
    slope = reference.gradient(lambda p: policy_loss(p, after.critic, given, scale), given.actor)
    moments = optax.tree.get(update.after.actor.opt_state, "mu")
    assert_near(moments, jax.tree.map(lambda g: 0.1 * g, slope))
    # both targets take their share of the policy and of the critics that this update has left behind
    assert_moved(update.subtracted.target_actor, given.target_actor, after.actor, share=0.005)
    assert_moved(update.subtracted.target_critic, given.target_critic, after.critic, share=0.005)


@pytest.mark.parametrize(("every", "turns"), [(1, [1, 1, 1]), (3, [0, 0, 1])])
def test_the_policy_moves_on_every_nth_update(every, turns):
    moved = []
    for step in range(3):
        update = updated(TD3_BC, start(TD3_BC, step=step), actor_every=every)
        moved.append(any(np.any(leaf) for leaf in jax.tree.leaves(update.subtracted.actor)))
    assert moved == [bool(turn) for turn in turns]


def test_collected_actions_carry_noise_of_a_tenth_and_evaluated_ones_none():
    made, params, seen = agent(TD3_BC), start(TD3_BC).actor.params, batch().observation
    greedy = family.deterministic(known(start(TD3_BC)).actor, batch().observation)
    noisy = np.clip(greedy + 0.1 * normal(KEY), -1.0, 1.0)
    assert_near(jax.jit(made.act)(params, seen, KEY), noisy)
    assert_near(jax.jit(made.act_greedy)(params, seen, KEY), greedy)
