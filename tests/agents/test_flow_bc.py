"""Behavior cloning of flow policies: what one step and many steps return, and a tiny policy of images.

Of vectors it is tested as every agent, by the contract.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rankq_jax.agents import Optimizers, flow_bc, jitter_colors, train_encoder
from rankq_jax.lifting import scan_batches
from rankq_jax.networks import FAMILIES, Networks, ensemble, split, state_value, vla_policy
from rankq_jax.testing.agents import check_first_state, check_seeds, check_update
from rankq_jax.testing.cases import Case
from rankq_jax.types import Agent, Transition
from tests.conftest import make_parts
from tests.networks.vla_cases import TINY, tiny_batch

MODE = 0.4  # the two actions of an observation are its mean action +- MODE


def mean_action(seen):
    return 0.5 * np.tanh(np.stack([seen[:, 0], seen[:, 1] - seen[:, 2]], axis=1))


def two_modes(seed, rows):
    """Observations `[rows, 3]` and actions `[rows, 2]` of two modes."""
    random = np.random.default_rng(seed)
    seen = random.normal(size=(rows, 3)).astype(np.float32)
    action = mean_action(seen) + random.choice([-MODE, MODE], (rows, 1))
    return seen, action.astype(np.float32)


@pytest.fixture(scope="module")
def trained():
    """Networks of vectors, and the averaged parameters after 3,000 updates."""
    networks = FAMILIES["flow"](2, (64, 64))
    agent = flow_bc(networks, Optimizers.adam(2e-3), average_rate=0.01)
    updates, rows = 3_000, 64
    seen, action = (x.reshape(updates, rows, -1) for x in two_modes(0, updates * rows))
    zeros = np.zeros((updates, rows), np.float32)
    batches = Transition(seen, action, zeros, zeros, seen, {})
    state = agent.init(jax.random.key(0), jax.tree.map(lambda x: x[0], batches))
    state, _ = jax.jit(scan_batches(agent).update)(state, batches, jax.random.key(1))
    return networks, state.average


def test_one_step_gives_the_mean_action_whatever_the_noise_is(trained):
    """Check C3: the ideal velocity at time 0 is E[a | s] - x, so that one step ends at E[a | s]."""
    networks, params = trained
    agent = flow_bc(networks, Optimizers.adam(1e-3), steps=1)
    seen, action = two_modes(1, 200)
    act = jax.jit(jax.vmap(agent.act, in_axes=(None, None, 0)))
    drawn = np.asarray(act(params, seen, jax.random.split(jax.random.key(2), 20)))
    assert drawn.std(axis=0).mean() <= 0.15 * action.std()
    assert np.abs(drawn.mean(axis=0) - mean_action(seen)).mean() < 0.08
    greedy = agent.act_greedy(params, seen, jax.random.key(3))
    assert np.abs(greedy - drawn.mean(axis=0)).mean() < 0.08


def test_ten_steps_end_at_one_of_the_two_actions(trained):
    networks, params = trained
    agent = flow_bc(networks, Optimizers.adam(1e-3))
    seen, _ = two_modes(1, 400)
    off = (np.asarray(jax.jit(agent.act)(params, seen, jax.random.key(4))) - mean_action(seen)).mean(axis=1)
    assert np.abs(off).mean() > 0.6 * MODE
    assert 0.3 < (off > 0).mean() < 0.7


@pytest.fixture(scope="module")
def networks():
    """A tiny policy of images; nothing reads the critics."""
    return Networks(vla_policy(TINY), ensemble((4,)), state_value((4,)), TINY.action_size)


def case_of(agent):
    return Case(
        "flow_bc", agent._replace(init=jax.jit(agent.init), update=jax.jit(agent.update)), tiny_batch, 8
    )


def test_a_policy_of_images_keeps_the_contract(networks):
    case = case_of(flow_bc(networks, Optimizers.adam(1e-3)))
    check_first_state(case)
    check_update(case)
    check_seeds(case, sequential=True)


@pytest.mark.parametrize("waypoints", [False, True], ids=["next_state", "waypoint"])
def test_the_readout_learns_the_action_and_where_the_robot_goes(networks, waypoints):
    agent = flow_bc(networks, Optimizers.adam(1e-3), auxiliary_weight=2.0, foresight_weight=3.0)
    case = case_of(agent)
    state, batch = case.start(), case.example()
    later = {**batch.observation, "proprio": batch.observation["proprio"] + 1.0}
    batch = batch._replace(next_observation=later)
    goal = batch.observation["proprio"] - 2.0 if waypoints else later["proprio"]
    if waypoints:
        batch.extras["waypoint"] = goal
    _, metrics = case.agent.update(state, batch, jax.random.key(1))
    h = networks.policy.flow.encode(state.actor.params, batch.observation).h
    dense = state.actor.params["auxiliary"]["params"]
    guess = np.asarray(h) @ np.asarray(dense["kernel"]) + np.asarray(dense["bias"])
    size = TINY.action_size
    action = np.mean((guess[:, :size] - batch.action) ** 2)
    ahead = np.mean((guess[:, size:] - goal) ** 2)
    np.testing.assert_allclose(metrics["actor/auxiliary"], action, rtol=1e-4)
    np.testing.assert_allclose(metrics["actor/foresight"], ahead, rtol=1e-4)
    total = metrics["actor/flow_matching"] + 2.0 * action + 3.0 * ahead
    np.testing.assert_allclose(metrics["actor/loss"], total, rtol=1e-4)


def test_a_frozen_backbone_stays_and_the_rest_moves(networks):
    case = case_of(train_encoder(flow_bc, networks, Optimizers.adam(1e-2), "frozen"))
    state = case.start()
    after, metrics = case.agent.update(state, case.example(), jax.random.key(1))
    for old, new in ((state.actor.params, after.actor.params), (state.average, after.average)):
        (backbone, head), (still, moved) = split(old), split(new)
        jax.tree.map(np.testing.assert_array_equal, backbone, still)
        assert all(np.any(a != b) for a, b in zip(jax.tree.leaves(head), jax.tree.leaves(moved), strict=True))
    first_moment = after.actor.opt_state.inner_state[0].mu  # of Adam: a tenth of the gradient
    assert not jax.tree.leaves(split(first_moment)[0])  # the optimizer holds nothing of the backbone
    norms = np.sqrt(sum(np.sum(np.square(10.0 * x)) for x in jax.tree.leaves(first_moment)))
    np.testing.assert_allclose(norms, metrics["actor/gradient_norm"], rtol=1e-4)


def test_a_policy_without_a_velocity_is_refused():
    with pytest.raises(ValueError, match="flow_bc needs a policy with a velocity"):
        flow_bc(*make_parts())


def test_the_average_follows_quickly_at_first(networks):
    """After one update nine tenths of it is new: 1 - (1 + 0) / (10 + 0)."""
    case = case_of(flow_bc(networks, Optimizers.adam(1e-2)))
    state = case.start()
    after, _ = case.agent.update(state, case.example(), jax.random.key(1))

    def check(old, new, average):
        np.testing.assert_allclose(average, 0.1 * old + 0.9 * new, atol=1e-6)

    jax.tree.map(check, state.actor.params, after.actor.params, after.average)


def test_colors_are_jittered_by_hand():
    image = np.random.default_rng(0).integers(40, 200, (3, 4, 5, 3), np.uint8)
    batch = Transition({"image": image, "depth": image[..., :1]}, *[np.zeros(3, np.float32)] * 3, image, {})
    seen = []
    nothing = Agent(None, lambda state, given, key: seen.append(given) or (state, {}), None, None, None)
    jitter_colors(nothing, 0.3).update(None, jax.tree.map(jnp.asarray, batch), jax.random.key(0))
    found = seen[0].observation["image"]
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(seen[0].observation["depth"], image[..., :1])
    luma = np.array([0.299, 0.587, 0.114])
    for row in range(3):
        # Each channel's offset from gray is scaled by b c s, gray's offset from its mean by b c.
        before, after = image[row].astype(float), np.asarray(found[row], float)
        gray, gray_after = before @ luma, after @ luma
        color = np.polyfit((before - gray[..., None]).ravel(), (after - gray_after[..., None]).ravel(), 1)
        contrast = np.polyfit(gray.ravel() - gray.mean(), gray_after.ravel() - gray_after.mean(), 1)
        brightness = gray_after.mean() / gray.mean()
        for factor in (brightness, contrast[0] / brightness, color[0] / contrast[0]):
            assert 0.66 < factor < 1.34
    assert not np.array_equal(found, seen[0].next_observation)
