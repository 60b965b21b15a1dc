"""What critics are told to think of actions, against plain numpy, and that runs do not depend on it."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rankq_jax import loop, metrics
from rankq_jax.agents import AGENTS
from rankq_jax.checkpoints import Checkpoints
from rankq_jax.data import buffer as ring
from rankq_jax.data import mixture
from rankq_jax.diagnostics import critic_diagnostics
from rankq_jax.errors import NumericsError
from rankq_jax.lifting import normalize_observations
from rankq_jax.loop.agents import lift_diagnostics
from rankq_jax.parallel import batch_over_devices, seeds_over_devices
from rankq_jax.testing.cases import random_batch
from rankq_jax.types import Agent, Measured, Transition
from tests.conftest import make_agent
from tests.loop_setting import Recorded, dataset, follow, go_on, make_plan, make_setup

__all__ = ["dataset"]  # a fixture
RANKS = (
    "success/data_over_noisy", "success/data_over_very_noisy", "success/data_over_permuted",
    "success/data_over_random", "success/noisy_over_very_noisy", "success/very_noisy_over_random",
    "failure/data_over_random",
)  # fmt: skip
WITHOUT_CRITIC = ("bc", "flow_bc")


def agent_of(values, policy=None):
    """An agent that is nothing but a critic, and a policy of zeros."""
    greedy = policy or (lambda params, observation, key: jnp.zeros((len(observation), 2)))
    return Agent(None, None, greedy, greedy, lambda state: state, values=values)


def batch_of(success=None, rows=64, seed=0):
    """Rows whose recorded actions are all (0.9, 0)."""
    draw = np.random.default_rng(seed)
    observation = draw.normal(size=(rows, 3)).astype(np.float32)
    action = np.tile(np.array([0.9, 0.0], np.float32), (rows, 1))
    extras = {} if success is None else {"success": np.asarray(success, np.float32)}
    zeros = np.zeros(rows, np.float32)
    return jax.tree.map(jnp.asarray, Transition(observation, action, zeros, zeros, observation, extras))


def measured(agent, batch, state=0.0, **arguments):
    found = critic_diagnostics(agent, **arguments)(state, batch, jax.random.key(7))
    short = {name.removeprefix("diagnostics/"): one for name, one in found.items()}
    assert len(short) == len(found) and all(name.startswith("diagnostics/") for name in found)
    return short


def quadratic(state, observation, actions):
    """Two members, `-|a - (0.9, 0)|^2` and the same plus 1: the minimum is the first."""
    q = -((actions[..., 0] - 0.9) ** 2) - actions[..., 1] ** 2
    return jnp.stack([q, q + 1.0])


def bilinear(state, observation, actions):
    """Members `x_0 a_0 + 3 x_1 a_1` and that number plus `a_0`: which one is lower depends on the row."""
    q = observation[:, None, 0] * actions[..., 0] + 3.0 * observation[:, None, 1] * actions[..., 1]
    return jnp.stack([q, q + actions[..., 0]])


def test_gradients_and_values_of_a_critic_that_is_known():
    batch = batch_of()
    found = measured(agent_of(bilinear), batch)
    x = np.asarray(batch.observation)
    # at a = (0.9, 0) the first member is the lower one, because 0.9 > 0
    gradient = np.stack([x[:, 0], 3.0 * x[:, 1]], axis=1)
    assert found["action_gradient_max"].value == pytest.approx(np.abs(gradient).max(), rel=1e-5)
    assert found["action_gradient_std"].value == pytest.approx(gradient.std(), rel=1e-4)
    assert found["q_data"].value == pytest.approx((0.9 * x[:, 0]).mean(), rel=1e-4)
    assert found["q_policy"].value == 0.0  # of the zeros
    assert not [name for name in found if name.startswith("rank/")]  # the batch says nothing of success


def test_the_minimum_is_differentiated_where_it_lies():
    batch = batch_of()._replace(action=jnp.full((64, 2), -0.5))
    found = measured(agent_of(bilinear), batch)
    x = np.asarray(batch.observation)
    gradient = np.stack([x[:, 0] + 1.0, 3.0 * x[:, 1]], axis=1)  # a_0 < 0: the second member is the lower one
    assert found["action_gradient_max"].value == pytest.approx(np.abs(gradient).max(), rel=1e-5)
    assert found["action_gradient_std"].value == pytest.approx(gradient.std(), rel=1e-4)
    assert found["q_data"].value == pytest.approx((-0.5 * (x[:, 0] + 1.0 + 3.0 * x[:, 1])).mean(), rel=1e-4)


def test_mean_values_of_policy_and_random_actions():
    policy = lambda params, observation, key: jnp.full((len(observation), 2), params)  # noqa: E731
    found = measured(agent_of(quadratic, policy), batch_of(rows=20_000), state=0.5)
    assert found["q_data"].value == pytest.approx(0.0, abs=1e-6)
    assert found["q_policy"].value == pytest.approx(-(0.4**2 + 0.5**2), rel=1e-4)
    assert found["q_random"].value == pytest.approx(
        -(1 / 3 + 0.81 + 1 / 3), rel=0.02
    )  # uniform: variance 1/3


def test_a_critic_that_falls_with_the_distance_ranks_as_it_should():
    success = np.arange(64) % 4 == 0
    found = measured(agent_of(quadratic), batch_of(success))
    shares = {name: float(found[f"rank/{name}"].value) for name in RANKS}
    assert shares.pop("success/data_over_permuted") == 0.0  # all recorded actions are the same: no one wins
    # 2 sigma is 0.3 and random actions are about 1 away, so some of them are nearer
    assert 0.7 < shares.pop("success/very_noisy_over_random") < 1.0
    assert set(shares.values()) == {1.0}
    assert found["rank/success_share"].value == 0.25
    assert (
        found["rank/success/data_over_noisy"].rows == 16 and found["rank/failure/data_over_random"].rows == 48
    )
    upside_down = measured(agent_of(lambda *given: -quadratic(*given)), batch_of(success))
    assert upside_down["rank/success/data_over_noisy"].value == 0.0


def test_pairs_whose_slope_has_gone_are_settled():
    success = np.arange(64) % 4 == 0
    steep = lambda *given: 1e6 * quadratic(*given)  # noqa: E731
    # of the 16 success rows all six pairs but the one of equal actions, and of the 48 others one
    random = float(measured(agent_of(steep), batch_of(success))["rank/success/very_noisy_over_random"].value)
    settled = measured(agent_of(steep), batch_of(success))["rank/settled"].value
    assert settled == pytest.approx((16 * (4 + random) + 48) / (16 * 6 + 48), rel=1e-4)
    # log(99) = 4.595: a difference of 4.6 has a slope below 0.01, one of 4.5 has not
    for difference, expected in ((4.6, 1.0), (4.5, 0.0)):
        of_member = lambda s, o, a, d=difference: d * (jnp.abs(a[..., 0] - 0.9) < 1e-6)[None]  # noqa: E731
        failures = measured(agent_of(of_member), batch_of(np.zeros(64)))
        assert failures["rank/settled"].value == expected


def test_a_batch_of_one_class_has_no_numbers_of_the_other():
    found = measured(agent_of(quadratic), batch_of(np.zeros(64)))
    assert {name for name, one in found.items() if one.rows == 0} == {
        f"rank/{name}" for name in RANKS if name.startswith("success/")
    }
    assert all(np.isfinite(one.value) for one in found.values())
    column = metrics.measured({"rank": Measured(jnp.ones(2), jnp.array([0.0, 3.0]))}, [0, 1], 5)["rank"]
    assert column.mask.tolist() == [True, False] and column[1] == 1.0


def test_numbers_that_went_bad_are_named():
    bad = {"diagnostics/q_data": Measured(jnp.array([1.0, jnp.inf]), jnp.ones(2))}
    with pytest.raises(NumericsError, match="'diagnostics/q_data' is inf at update 30 of seed 9;"):
        metrics.measured(bad, [5, 9], 30)


@pytest.mark.parametrize("name", sorted(AGENTS))
def test_every_agent_with_a_critic_has_them(name):
    agent, batch = make_agent(name), random_batch(0, 8)
    diagnose = critic_diagnostics(agent)
    assert (diagnose is None) == (name in WITHOUT_CRITIC)
    if diagnose is None:
        return
    state = agent.init(jax.random.key(0), batch)
    found = jax.jit(diagnose)(state, batch, jax.random.key(1))
    assert {f"diagnostics/rank/{rank}" for rank in RANKS} < set(found)
    q = agent.values(state, batch.observation, batch.action[:, None])
    lowest = np.asarray(q)[..., 0].min(axis=0)
    assert found["diagnostics/q_data"].value == pytest.approx(lowest.mean(), rel=1e-4, abs=1e-6)
    assert q.shape == (len(q), 8, 1)


def test_critics_see_standardized_observations():
    plain, batch = make_agent("td3_bc"), random_batch(0, 8)
    agent = normalize_observations(plain)
    state = agent.init(jax.random.key(0), batch)
    x = np.asarray(batch.observation)
    seen = (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-3)
    expected = plain.values(state.inner, jnp.asarray(seen), batch.action[:, None])
    found = agent.values(state, batch.observation, batch.action[:, None])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


# Offline there are 4 dispatches of 5 updates, online 11 of 4: multiples of 10 are reached after these.
REACHED = [10, 20, 32, 40, 52, 60]


def with_diagnostics(plan, layout):
    return tuple(
        phase._replace(
            diagnostics=lift_diagnostics(make_agent(name), layout, 10, batch_size=16, draw=mixture.uniform)
        )
        for phase, name in zip(plan, ("rankq", "sac"), strict=True)
    )


def told(recorded):
    """`(updates, diagnostics)` of the dispatches that had some."""
    own = [
        (p.updates, {k: v for k, v in values.items() if k.startswith("diagnostics/")})
        for _, p, values in recorded.metrics
    ]
    return [(updates, values) for updates, values in own if values]


@pytest.fixture(scope="module")
def diagnosed(dataset):
    layout, recorded = seeds_over_devices(2, jax.devices()[:1]), Recorded()
    setup = make_setup(dataset, [0, 1])
    return layout, follow(with_diagnostics(make_plan(layout), layout), setup, layout, recorded), recorded


def test_a_run_is_the_same_with_them_and_without(dataset, diagnosed):
    layout, final, recorded = diagnosed
    plain = Recorded()
    other = follow(make_plan(layout), make_setup(dataset, [0, 1]), layout, plain)
    chex.assert_trees_all_equal(jax.device_get(final), jax.device_get(other))  # bit for bit
    kept = [{k: v for k, v in m.items() if not k.startswith("diagnostics/")} for _, _, m in recorded.metrics]
    for ours, (_, _, theirs) in zip(kept, plain.metrics, strict=True):
        chex.assert_trees_all_equal(ours, theirs)
    assert [updates for updates, _ in told(recorded)] == REACHED
    assert all(values.shape == (2,) for _, found in told(recorded) for values in found.values())
    policies = [found["diagnostics/q_policy"] for _, found in told(recorded)]
    assert len({float(x) for pair in policies for x in pair}) == 2 * len(REACHED)  # of each seed and update


@pytest.mark.parametrize("stop_after", [1, 4])
def test_a_resumed_run_has_the_same_ones(dataset, diagnosed, tmp_path, stop_after):
    layout, straight, recorded = diagnosed
    plan, setup = with_diagnostics(make_plan(layout), layout), make_setup(dataset, [0, 1])
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    first, second = Recorded(checkpoints, stop_after), Recorded()
    follow(plan, setup, layout, first)
    checkpoints.close()
    final = go_on(tmp_path / "checkpoints", plan, setup, layout, second)
    chex.assert_trees_all_equal(jax.device_get(final), jax.device_get(straight))
    resumed = told(first) + told(second)
    assert [updates for updates, _ in resumed] == REACHED
    for (_, ours), (_, theirs) in zip(resumed, told(recorded), strict=True):
        chex.assert_trees_all_equal(ours, theirs)


def test_devices_that_share_a_batch_measure_what_one_does():
    agent, data = make_agent("iql"), random_batch(0, 32)
    buffers = jax.tree.map(lambda x: x[None], ring.init(jax.tree.map(np.asarray, data), 4))
    keys = jax.vmap(jax.random.key)(jnp.arange(1))
    found = []
    for layout in (seeds_over_devices(1, jax.devices()[:1]), batch_over_devices(jax.devices()[:2])):
        state = layout.split(jax.vmap(agent.init, in_axes=(0, None))(keys, data))
        shared = layout.replicate(data), layout.split(buffers), layout.split(jnp.ones(1)), {}
        measure = lift_diagnostics(agent, layout, 10, batch_size=16).measure
        found.append(jax.device_get(measure(state, mixture.Sources(*shared), layout.split(keys))))
    jax.tree.map(lambda one, other: np.testing.assert_allclose(other, one, rtol=1e-5), *found)


def test_when_they_are_due():
    due = loop.lift_diagnostics(
        make_agent("sac"), seeds_over_devices(1, jax.devices()[:1]), 10, batch_size=2
    ).due
    assert [due(9, 10), due(0, 9), due(10, 19), due(19, 40)] == [True, False, False, True]
    assert (
        lift_diagnostics(make_agent("sac"), seeds_over_devices(1, jax.devices()[:1]), 0, batch_size=2) is None
    )
