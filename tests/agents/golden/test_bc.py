"""Behaviour cloning, of a mode and by likelihood, against plain numpy."""

import jax
import numpy as np
import pytest

from tests.agents.golden import family_reference as family
from tests.agents.golden import reference
from tests.agents.golden.family_setting import Setup, agent, known, start, updated
from tests.agents.golden.setting import KEY, assert_near, batch

MODE = Setup("bc")
# Policies with a density: whether the mean is squashed, and the lowest log deviation.
GAUSSIANS = [(Setup("bc", "iql"), True, -5.0), (Setup("bc", "awac"), False, -20.0)]


def squared_error(actor, given):
    """`mean ||pi(s) - a||^2`: the mean over rows of the sum over dimensions."""
    action = family.deterministic(actor, given.batch.observation)
    return np.square(action - given.batch.action).sum(axis=1).mean()


def test_the_mode_moves_to_the_recorded_action():
    given, update = known(start(MODE)), updated(MODE)
    assert_near(update.metrics["actor/loss"], squared_error(given.actor, given))
    assert_near(update.metrics["actor/squared_error"], squared_error(given.actor, given))
    slope = reference.gradient(lambda p: squared_error(p, given), given.actor)
    assert_near(update.gradient.actor, slope)


def test_a_policy_that_does_nothing_pays_the_squared_length_of_the_actions():
    """Eight rows of (1/2, -1/4) cost 1/4 + 1/16 each: a sum over dimensions, not 5/32."""
    nothing = jax.tree.map(np.zeros_like, start(MODE).actor.params)
    state = start(MODE)._replace(actor=start(MODE).actor._replace(params=nothing))
    data = batch()._replace(action=np.tile(np.float32([0.5, -0.25]), (8, 1)))
    update = updated(MODE, state, data)
    assert update.metrics["actor/loss"] == 5 / 16
    # d/db of (tanh b - a)^2 at b = 0
    output = update.gradient.actor["params"]["Dense_1"]["bias"]
    np.testing.assert_allclose(output, [-1.0, 0.5], rtol=1e-6)


@pytest.mark.parametrize(("setup", "squashed", "lowest"), GAUSSIANS)
def test_the_likelihood_of_a_gaussian_counts_mean_and_deviation(setup, squashed, lowest):
    given, update = known(start(setup)), updated(setup, likelihood=True)

    def loss(actor):
        mean, log_std = family.gaussian(actor, given.batch.observation, squashed, lowest)
        return -family.normal_log_density(given.batch.action, mean, log_std).mean()

    assert_near(update.metrics["actor/loss"], loss(given.actor))
    assert_near(update.gradient.actor, reference.gradient(loss, given.actor))


@pytest.mark.parametrize(("setup", "squashed", "lowest"), GAUSSIANS)
def test_the_error_of_a_gaussian_is_that_of_its_mode(setup, squashed, lowest):
    """A mean outside the box acts as its edge: AWAC's is not squashed."""
    given, update = known(start(setup)), updated(setup, likelihood=True)
    mean, _ = family.gaussian(given.actor, given.batch.observation, squashed, lowest)
    assert squashed or (np.abs(mean) > 1.0).any()
    error = np.square(np.clip(mean, -1.0, 1.0) - given.batch.action).sum(axis=1).mean()
    assert_near(update.metrics["actor/squared_error"], error)


@pytest.mark.parametrize("rate", [0.5])
def test_dropout_is_in_the_likelihood_and_not_in_the_mode(rate):
    setup = Setup("bc", "iql", dropout=rate)
    given, update = known(start(setup)), updated(setup, likelihood=True)
    masks = [np.asarray(jax.random.bernoulli(jax.random.fold_in(KEY, 0), 1.0 - rate, (8, 8))) / (1.0 - rate)]
    mean, log_std = family.gaussian(given.actor, given.batch.observation, True, -5.0, masks)
    log_density = family.normal_log_density(given.batch.action, mean, log_std)
    assert_near(update.metrics["actor/loss"], -log_density.mean())
    whole, _ = family.gaussian(given.actor, given.batch.observation, True, -5.0)
    assert_near(jax.jit(agent(setup).act_greedy)(start(setup).actor.params, batch().observation, KEY), whole)
