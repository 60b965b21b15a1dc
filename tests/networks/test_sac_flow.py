"""Flow policies with noise: densities, bounds of the noise, sizes, and the one-sided clip."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from rankq_jax.losses import clip_one_sided
from rankq_jax.networks import FAMILIES, Flow, Prefix, density_of_chain, integrating, noisy, sample_chain
from rankq_jax.networks.mlp import FLOAT32, network
from rankq_jax.networks.sac_flow import NoiseHead
from tests.conftest import make_parts
from tests.networks.vla_cases import observations, spec_of

SIZE = 28
ROWS = 5


def flow_of(velocity, log_deviation):
    """A flow of vectors `[B, SIZE]`, which are their own readout, from functions of (h, x, tau)."""
    return Flow(
        encode=lambda params, seen: Prefix(jnp.zeros((len(seen), 0)), jnp.zeros((len(seen), 0), bool), seen),
        velocity=lambda params, x, tau, prefix, proprio: velocity(prefix.h, x, tau[:, None]),
        proprio=lambda seen: None,
        log_deviation=lambda params, h, tau: log_deviation(h, tau[:, None]),
    )


def turning(h, x, tau):
    return x * (0.5 - 0.2 * x) + h * (1.0 + tau)


def widening(h, tau):
    return -2.5 + 0.5 * tau + 0.0 * h


def test_the_density_of_a_step_that_ends_at_its_mean():
    """28 (2.25 - log(2 pi) / 2) = 37.2697."""
    still = flow_of(lambda h, x, tau: 0.5 + 0.0 * x, lambda h, tau: -2.25 + 0.0 * h)
    start = np.random.default_rng(0).normal(size=(ROWS, SIZE)).astype(np.float32)
    chain = jnp.stack([start, start + 0.5], axis=1)
    found = density_of_chain(still, None, start, chain, include_init=False)
    np.testing.assert_allclose(found, 37.2697, atol=1e-3)
    whole = density_of_chain(still, None, start, chain)
    np.testing.assert_allclose(whole - found, stats.norm.logpdf(start).sum(axis=1), rtol=1e-4)


def test_three_steps_are_scored_with_the_times_at_which_they_were_drawn():
    flow, seen = flow_of(turning, widening), 0.3 * np.ones((ROWS, SIZE), np.float32)
    walked = sample_chain(flow, None, seen, jax.random.key(1), SIZE, steps=3)
    chain = np.asarray(walked.chain, np.float64)
    assert chain.shape == (ROWS, 4, SIZE)
    total = stats.norm.logpdf(chain[:, 0]).sum(axis=1)
    for k in range(3):
        mean = chain[:, k] + turning(seen, chain[:, k], k / 3) / 3
        total += stats.norm.logpdf(chain[:, k + 1], mean, np.exp(-2.5 + 0.5 * k / 3)).sum(axis=1)
        far = np.abs(chain[:, k + 1] - mean) / np.exp(-2.5 + 0.5 * k / 3)
        assert 1.0 < far.max() < 3.001
    np.testing.assert_allclose(density_of_chain(flow, None, seen, walked.chain), total, rtol=1e-4)


def test_deviations_stay_in_their_bounds():
    init, head = network(NoiseHead((128,), SIZE, False, FLOAT32))
    h, tau = 1e4 * np.ones((2, 16), np.float32), np.zeros(2, np.float32)
    params = init(jax.random.key(0), h, tau)
    np.testing.assert_allclose(np.exp(head(params, h, tau)), 0.10540, atol=1e-5)
    for shift, bound in ((1e4, 0.13534), (-1e4, 0.08208)):
        moved = jax.tree.map(lambda leaf, s=shift: leaf + s, params)
        for scale in (1.0, -1.0):
            deviation = np.exp(head(moved, scale * h, tau))
            assert deviation.min() > 0.08207 and deviation.max() < 0.13535
        biased = jax.tree.map(jnp.copy, params)
        biased["params"]["log_deviation"]["bias"] += shift
        np.testing.assert_allclose(np.exp(head(biased, h, tau)), bound, atol=1e-5)


@pytest.mark.parametrize(("preset", "steps", "count"), [
    ("vla-s", 1, 36_508), ("vla-xs", 1, 20_124), ("vla-xs", 4, 20_124 + 32 * 128),
])  # fmt: skip
def test_parameters_of_the_noise_head_stand_beside_those_of_the_velocity(preset, steps, count):
    """It sees the readout, and the 32 numbers of a time only where there are several."""
    plain = FAMILIES[preset](spec_of(preset)).policy
    policy = noisy(plain, SIZE, steps)
    seen, action = observations(preset, 2), np.zeros((2, SIZE), np.float32)
    shapes = jax.eval_shape(policy.init, jax.random.key(0), seen, action)
    assert set(shapes) == {"encoder", "velocity", "auxiliary", "noise"}
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes["noise"])) == count


def test_an_action_has_the_density_of_its_last_step():
    """A velocity m - x leads to m wherever it starts: one step is a Gaussian around m."""
    mean, deviation = 0.4, np.exp(-2.5)
    plain = integrating(flow_of(lambda h, x, tau: mean - x, widening), lambda *_: {}, SIZE)
    policy = noisy(plain, SIZE)
    seen = np.zeros((ROWS, SIZE), np.float32)
    params = policy.init(jax.random.key(0), seen, seen)
    action = np.random.default_rng(0).normal(mean, deviation, (ROWS, SIZE)).astype(np.float32)
    expected = stats.norm.logpdf(action, mean, np.exp(-2.25)).sum(axis=1)
    for key in (None, jax.random.key(3)):
        np.testing.assert_allclose(policy.log_density(params, seen, action, key), expected, rtol=1e-4)


def test_importance_weights_would_part_policy_and_uniform_actions():
    """By 28 (2.25 - 1/2 - log(2 pi) / 2) + 28 log 2 = 42.7 nats."""
    plain = integrating(flow_of(lambda h, x, tau: -x, widening), lambda *_: {}, SIZE)
    policy, seen = noisy(plain, SIZE), np.zeros((2_000, SIZE), np.float32)
    params = policy.init(jax.random.key(0), seen[:1], seen[:1])
    _, density = policy.sample(params, seen, jax.random.key(1))
    assert abs(np.mean(density) + SIZE * np.log(2.0) - 42.7) < 0.3


@pytest.mark.parametrize("steps", [1, 2])
def test_the_mode_starts_from_zero_and_has_no_noise(steps):
    plain = FAMILIES["flow"](2, (8,)).policy
    policy, seen = noisy(plain, 2, steps), np.ones((3, 4), np.float32)
    params = policy.init(jax.random.key(0), seen, np.zeros((3, 2), np.float32))
    x = np.zeros((3, 2), np.float32)
    prefix = plain.flow.encode(params, seen)
    for k in range(steps):
        x = x + plain.flow.velocity(params, x, np.full(3, k / steps, np.float32), prefix, None) / steps
    np.testing.assert_allclose(policy.mode(params, seen), np.clip(x, -1.0, 1.0), rtol=1e-5)


def test_the_clip_passes_what_leads_back_into_the_box():
    """Descent moves against the slope: from 2 a positive one leads down, into the box."""
    action = jnp.array([-2.0, -2.0, -1.0, 0.5, 0.5, 1.0, 2.0, 2.0])
    slope = jnp.array([3.0, -3.0, 3.0, 3.0, -3.0, -3.0, 3.0, -3.0])
    found, back = jax.vjp(clip_one_sided, action)
    np.testing.assert_array_equal(found, [-1.0, -1.0, -1.0, 0.5, 0.5, 1.0, 1.0, 1.0])
    np.testing.assert_array_equal(back(slope)[0], [0.0, -3.0, 3.0, 3.0, -3.0, -3.0, 3.0, 0.0])
    moved = action - 0.1 * back(slope)[0]
    outside = np.abs(action) > 1.0
    assert np.all(np.abs(moved)[outside] <= np.abs(action)[outside])


def test_a_policy_without_a_velocity_is_refused():
    with pytest.raises(ValueError, match="noise is for policies that integrate a velocity"):
        noisy(make_parts()[0].policy, 2)
