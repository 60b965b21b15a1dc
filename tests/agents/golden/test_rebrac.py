"""ReBRAC (arXiv 2305.09836) with the layer normalisation of its critics, against plain numpy."""

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

REBRAC = Setup("rebrac")
B_A, B_C = 0.7, 0.4
WEIGHTS = {"actor_weight": B_A, "critic_weight": B_C}


def q_values(critic, observation, action):
    return family.q_values(critic, observation, action, "after")


def target(given, b_c=B_C, over=np.sum):
    """`r + gamma (1 - d) (min_k Qbar_k(s', a') - b_c ||a' - a'_data||^2)`, a sum over dimensions."""
    following = given.batch.next_observation
    action = family.noisy_action(given.target_actor, following, normal(KEY), 0.2, 0.5)
    penalty = over(np.square(action - given.batch.extras["next_action"]), axis=1)
    value = q_values(given.target_critic, following, action).min(axis=0) - b_c * penalty
    return given.batch.reward + given.batch.discount * value


def pieces(actor, critic, given):
    """`min_k Q_k(s, pi(s))` of each row, and `mean ||pi(s) - a||^2` with a sum over dimensions."""
    action = family.deterministic(actor, given.batch.observation)
    distance = np.square(action - given.batch.action).sum(axis=1).mean()
    return q_values(critic, given.batch.observation, action).min(axis=0), distance


def policy_loss(actor, critic, given, scale, b_a=B_A):
    q, distance = pieces(actor, critic, given)
    return b_a * distance - scale * q.mean()


@pytest.mark.parametrize("b_c", [B_C, 0.0])
def test_the_target_pays_for_its_distance_to_the_next_recorded_action(b_c):
    update = updated(REBRAC, actor_weight=B_A, critic_weight=b_c)
    given = known(start(REBRAC))
    y = target(given, b_c)
    assert y[TERMINAL] == given.batch.reward[TERMINAL]  # no penalty without a next state
    assert_near(update.metrics["critic/target"], y.mean())
    assert_near(update.metrics["critic/loss"], family.td_loss(given.critic, given.batch, y, "after"))
    slope = reference.gradient(lambda p: family.td_loss(p, given.batch, y, "after"), given.critic)
    assert_near(update.gradient.critic, slope)


def test_a_mean_over_dimensions_and_the_present_action_would_have_been_noticed():
    given, shifted = known(start(REBRAC)), known(start(REBRAC))
    shifted.batch.extras["next_action"] = given.batch.action
    assert apart(target(given).mean(), target(given, over=np.mean).mean(), target(shifted).mean())


def test_without_critic_weight_the_next_recorded_action_does_not_matter():
    free = {"actor_weight": B_A, "critic_weight": 0.0}
    other = batch(next_action=-batch().extras["next_action"])
    assert updated(REBRAC, data=other, **free).metrics == updated(REBRAC, **free).metrics
    assert updated(REBRAC, data=other, **WEIGHTS).metrics != updated(REBRAC, **WEIGHTS).metrics


def test_the_policy_pays_for_its_distance_and_follows_the_smaller_moved_critic():
    """`b_a ||pi(s) - a||^2 - min_k Q_k / mean |min_k Q_k|`, whose denominator is a constant."""
    state = start(REBRAC, step=1)
    given, update = known(state), updated(REBRAC, state, **WEIGHTS)
    critic = family.critic_after(given, target(given), "after")
    q, distance = pieces(given.actor, critic, given)
    scale = 1.0 / np.abs(q).mean()
    assert_near(update.metrics["actor/distance"], distance)
    # The values have both signs, so that their mean is only as exact as they are.
    assert_near([update.metrics["actor/q"], np.abs(q).mean()], [q.mean(), np.abs(q).mean()])
    assert_near(update.metrics["actor/loss"], B_A * distance - scale * q.mean())
    slope = reference.gradient(lambda p: policy_loss(p, critic, given, scale), given.actor)
    assert_near(update.gradient.actor, slope)
    # the smaller one is not always the same, and the critics have moved by enough to tell
    action = family.deterministic(given.actor, given.batch.observation)
    both = q_values(critic, given.batch.observation, action)
    old = q_values(given.critic, given.batch.observation, action).min(axis=0)
    assert set(both.argmin(axis=0)) == {0, 1}
    others = (old, both[0], both.mean(axis=0))
    for of in (lambda v: v, np.abs):
        assert apart(*(of(v).mean() for v in (q, *others)), by=1e-3)
    assert apart(np.abs(q).mean(), abs(q.mean()))


@pytest.mark.parametrize(
    ("step", "share"), [(5, 1.0), (21, 1.0), (41, 0.8), (61, 0.6), (81, 0.5), (121, 0.5), (999, 0.5)]
)
def test_the_weight_of_the_policy_falls_linearly_to_half_and_stays(step, share):
    """From update 21 on, as if to nothing after 100 more; half is reached after 50."""
    state = start(REBRAC, step=step)
    update = updated(REBRAC, state, decay_from=21, decay_updates=100, **WEIGHTS)
    given = known(state)
    critic = family.critic_after(given, target(given), "after") if step == 41 else known(update.after).critic
    q, distance = pieces(given.actor, critic, given)
    scale = 1.0 / np.abs(q).mean()
    assert_near(update.metrics["actor/loss"], share * B_A * distance - scale * q.mean())
    if step == 41:
        slope = reference.gradient(lambda p: policy_loss(p, critic, given, scale, share * B_A), given.actor)
        assert_near(update.gradient.actor, slope)


def test_without_a_decay_the_weight_is_the_same_after_a_thousand_updates():
    early, late = (updated(REBRAC, start(REBRAC, step=step), **WEIGHTS) for step in (1, 1001))
    assert early.metrics == late.metrics


def test_the_policy_and_both_targets_move_on_every_second_update():
    for step, turn in enumerate([False, True, False, True]):
        before = start(REBRAC, step=step)
        update, given = updated(REBRAC, before, **WEIGHTS), known(before)
        after = known(update.after)
        assert any(np.any(leaf) for leaf in jax.tree.leaves(update.subtracted.critic))
        assert any(np.any(leaf) for leaf in jax.tree.leaves(update.subtracted.actor)) == turn
        for name in ("actor", "critic"):
            subtracted, old = getattr(update.subtracted, f"target_{name}"), getattr(given, f"target_{name}")
            assert_moved(subtracted, old, getattr(after, name), share=0.005 if turn else 0.0)


def test_collected_actions_are_the_greedy_ones():
    made, given = agent(REBRAC), known(start(REBRAC))
    acted = jax.jit(made.act)(start(REBRAC).actor.params, batch().observation, KEY)
    assert_near(acted, family.deterministic(given.actor, given.batch.observation))
