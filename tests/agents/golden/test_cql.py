"""CQL(H) as the Cal-QL code computes it (arXiv 2006.04779, Eq. 4 and App. F) against plain numpy."""

import numpy as np
import pytest

from tests.agents.golden import reference
from tests.agents.golden.setting import (
    FIXED,
    LAGRANGE,
    THRESHOLD,
    WEIGHT,
    assert_near,
    blank_critic,
    draws,
    known,
    updated,
)

IMPORTANCE = {**FIXED, "importance_sampling": True}


def given(data=None, samples=10):
    """What the update reads: numbers, TD target, and the three sets of actions."""
    read = known(data=data)
    sets = reference.action_sets(read, *draws(samples=samples).conservative)
    return read, reference.target(read, draws().backup, False), sets


def assert_critic_loss(update, read, y, penalty):
    """`sum_k TD_k + mean_i penalty_ki`, its value and its gradient, with `penalty(params) [E, B]`."""

    def loss(params):
        return reference.td_loss(params, read, y) + penalty(params).mean(axis=1).sum()

    assert_near(update.metrics["critic/loss"], loss(read.critic))
    assert_near(update.metrics["critic/penalty"], penalty(read.critic).mean())
    assert_near(update.critic, reference.gradient(loss, read.critic))


@pytest.mark.parametrize(
    "form",
    [
        # 3n terms less their densities: no data action among them, and no constant.
        {"importance_sampling": True},
        # The data action joins the 3n terms, and no density is subtracted.
        {"importance_sampling": False},
        {"importance_sampling": True, "samples": 4, "temperature": 2.0},
    ],
)
def test_a_fixed_weight_multiplies_the_gap(form):
    read, y, sets = given(samples=form.get("samples", 10))
    update = updated("cql", **FIXED, **form)
    importance, tau = form["importance_sampling"], form.get("temperature", 1.0)

    def gap(params):
        return reference.gap(params, read, sets, importance=importance, tau=tau)

    assert_near(update.metrics["critic/cql/gap"], gap(read.critic).mean())
    assert_critic_loss(update, read, y, lambda p: WEIGHT * gap(p))


def test_the_number_of_terms_by_hand():
    """Every value zero: without densities 3 * 10 sampled terms and the data action, so a gap of log 31."""
    update = updated("cql", state=blank_critic(), importance_sampling=False, **FIXED)
    assert_near(update.metrics["critic/cql/gap"], np.log(31.0))


def test_the_multiplier_starts_at_e_and_scales_weight_times_the_excess_over_the_threshold():
    read, y, sets = given()
    update = updated("cql", **LAGRANGE)
    assert_near(update.metrics["dual/cql_weight"], np.e)
    # J_k = TD_k + alpha' w (D_k - g)
    assert_critic_loss(update, read, y, lambda p: np.e * WEIGHT * (reference.gap(p, read, sets) - THRESHOLD))


def test_the_dual_loss_is_minus_half_the_weighted_excess_of_both_critics():
    read, _, sets = given()
    update = updated("cql", **LAGRANGE)
    gaps = reference.gap(read.critic, read, sets).mean(axis=1)  # D_1, D_2

    def dual(log_multiplier):
        return -0.5 * sum(np.exp(log_multiplier) * WEIGHT * (gap - THRESHOLD) for gap in gaps)

    assert_near(update.metrics["dual/cql_weight/loss"], dual(1.0))
    # on the logarithm alone: d alpha' / d log alpha' = alpha'
    assert_near(update.duals["cql_weight"], reference.gradient(dual, np.float64(1.0)))


@pytest.mark.parametrize("arguments", [IMPORTANCE, LAGRANGE])
def test_the_gap_sends_no_gradient_to_the_actor_or_the_temperature(arguments):
    """The log densities of the sampled actions depend on the policy, but the actor's loss is that of SAC."""
    update, (read, _, _), normal = updated("cql", **arguments), given(), draws().actor
    assert_near(update.metrics["actor/loss"], reference.actor_loss(read.actor, read, normal))
    assert_near(update.actor, reference.gradient(lambda p: reference.actor_loss(p, read, normal), read.actor))
    _, log_density = reference.draw(read.actor, read.batch.observation, normal)
    assert_near(update.duals["temperature"], -(log_density.mean() - 2.0))


def test_a_fixed_weight_leaves_the_multiplier_alone():
    assert "cql_weight" not in updated("cql", **IMPORTANCE).duals
