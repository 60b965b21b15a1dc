"""Rewards of the hand tasks on observations made by hand: the binary ones, and those experts learn from."""

import mujoco
import numpy as np
import pytest

from rankq_jax.envs import adroit
from rankq_jax.envs.batch import View, batch_env
from rankq_jax.envs.streams import streams


def judged(name, observation, terminates=True):
    """Reward, termination and success at observations."""
    nothing = View(np.zeros(0), np.zeros(0), {}, np.zeros(0), np.zeros(0))
    simulation = adroit.simulate(adroit.HANDS[name], terminates=terminates)
    return simulation.judge(nothing, None, nothing, observation)


def assert_judged(name, observation, success):
    outcome = judged(name, observation)
    np.testing.assert_array_equal(outcome.success, success)
    np.testing.assert_array_equal(outcome.reward, np.where(success, 0.0, -1.0))
    np.testing.assert_array_equal(outcome.terminated, success)
    going_on = judged(name, observation, terminates=False)
    np.testing.assert_array_equal(going_on.success, success)
    np.testing.assert_array_equal(going_on.reward, np.where(success, 0.0, -1.0))
    assert not going_on.terminated.any()


DIRECTIONS = np.array([[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.6, 0.0, 0.8], [2 / 3, -1 / 3, 2 / 3]])


def pen_observation(distance, cosine):
    """`[4, 45]`: a pen so far from the target, in four directions, with such an angle between them."""
    observation = np.full((4, 45), 7.0)
    observation[:, 33:36] = [0.0, 0.0, 1.0]
    observation[:, 36:39] = [np.sqrt(1.0 - cosine**2), 0.0, cosine]
    observation[:, 39:42] = distance * DIRECTIONS
    observation[:, 42:45] = observation[:, 33:36] - observation[:, 36:39]
    return observation


@pytest.mark.parametrize(
    ("distance", "cosine", "success"),
    [
        (0.074, 0.951, True),
        (0.076, 0.951, False),
        (0.074, 0.949, False),
        (0.076, 0.949, False),
        (0.0, 1.0, True),
        (0.0, -1.0, False),  # turned round
    ],
)
def test_the_pen_must_be_near_and_parallel(distance, cosine, success):
    assert_judged("pen", pen_observation(distance, cosine), np.full(4, success))


def test_the_door_must_be_open_by_1_35_radians():
    observation = np.full((5, 39), 7.0)
    observation[:, 28] = [0.0, 1.349, 1.35, 1.351, -1.4]
    observation[:, 38] = [-1.0, 1.0, 1.0, 1.0, -1.0]
    assert_judged("door", observation, [False, False, True, True, False])


@pytest.mark.parametrize(("distance", "success"), [(0.0, True), (0.099, True), (0.101, False)])
def test_the_ball_must_be_near_the_target(distance, success):
    observation = np.full((4, 39), 7.0)
    observation[:, 36:39] = distance * DIRECTIONS
    assert_judged("relocate", observation, np.full(4, success))


def test_success_ends_an_episode_and_wins_over_the_time_limit():
    """The door, which can be placed open."""
    env = batch_env(adroit.simulate(adroit.HANDS["door"]), 4, threads=1)
    state = env.reset(streams(0, 4))
    at = env.snapshot(state)
    at.qpos[:, 28] = [1.5, 1.5, 1.0, 1.0]  # the hinge is the last joint but the latch
    steps = np.array([3, 199, 3, 199], np.int32)
    state, step = env.step(
        env.place(state, np.arange(4), at._replace(step=steps)), np.zeros((4, 28)), np.ones(4, bool)
    )
    np.testing.assert_array_equal(step.success, [True, True, False, False])
    np.testing.assert_array_equal(step.terminated, [True, True, False, False])
    np.testing.assert_array_equal(step.truncated, [False, False, False, True])
    np.testing.assert_array_equal(step.reward, [0.0, 0.0, -1.0, -1.0])
    np.testing.assert_array_equal(state.step, [0, 0, 4, 0])
    np.testing.assert_array_equal(state.episode, [2, 2, 1, 2])


def dense(name, observation, qvel=None, heights=None):
    """`[n]`; `heights` are those of the object, at its place among the bodies of the model."""
    simulation = adroit.simulate(adroit.HANDS[name], dense=True)
    rows, model = len(observation), simulation.model
    bodies = np.full((rows, model.nbody, 3), 9.0)
    if heights is not None:
        bodies[:, mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, "Object"), 2] = heights
    qvel = np.full((rows, model.nv), 3.0) if qvel is None else qvel
    view = View(np.zeros((rows, model.nq)), qvel, {"xpos": bodies}, np.zeros((rows, 6)), np.zeros(rows, int))
    return simulation.judge(view, None, view, observation).reward


@pytest.mark.parametrize("height", [0.074, 0.076])
@pytest.mark.parametrize("cosine", [-0.5, 0.89, 0.91, 0.94, 0.96])
@pytest.mark.parametrize("distance", [0.01, 0.07, 0.08])
def test_dense_reward_of_the_pen(distance, cosine, height):
    observation = pen_observation(distance, cosine)
    observation[:, 26] = height  # third coordinate of the pen, after 24 joints
    expected = -distance + cosine
    expected += 10.0 if cosine > 0.9 and distance < 0.075 else 0.0
    expected += 50.0 if cosine > 0.95 and distance < 0.075 else 0.0
    expected -= 5.0 if height < 0.075 else 0.0
    np.testing.assert_allclose(dense("pen", observation), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("hinge", "bonus"),
    [(0.0, 0), (0.19, 0), (0.21, 2), (0.99, 2), (1.01, 10), (1.34, 10), (1.36, 20), (1.57, 20)],
)
def test_dense_reward_of_the_door(hinge, bonus):
    random = np.random.default_rng(0)
    observation, qvel = random.normal(size=(4, 39)), random.normal(size=(4, 30)) * 10
    observation[:, 28] = hinge
    observation[:, 35:38] = 0.3 * DIRECTIONS  # palm - handle
    expected = -0.1 * 0.3 - 0.1 * (hinge - 1.57) ** 2 - 1e-5 * np.linalg.norm(qvel, axis=1) ** 2 + bonus
    np.testing.assert_allclose(dense("door", observation, qvel=qvel), expected, rtol=1e-12)


@pytest.mark.parametrize("height", [0.039, 0.041])
@pytest.mark.parametrize(("left", "bonus"), [(0.04, 30), (0.051, 10), (0.09, 10), (0.11, 0), (0.4, 0)])
def test_dense_reward_of_relocate(left, bonus, height):
    observation = np.random.default_rng(0).normal(size=(4, 39))
    observation[:, 30:33] = 0.2 * DIRECTIONS  # palm - ball
    observation[:, 33:36] = 0.5 * DIRECTIONS  # palm - target
    observation[:, 36:39] = left * DIRECTIONS  # ball - target
    lifted = 1.0 - 0.5 * 0.5 - 0.5 * left if height > 0.04 else 0.0
    expected = -0.1 * 0.2 + lifted + bonus
    np.testing.assert_allclose(dense("relocate", observation, heights=height), expected, rtol=1e-12)


@pytest.mark.parametrize(("name", "size"), [("pen", 45), ("door", 39), ("relocate", 39)])
def test_what_an_expert_is_trained_on_counts_successes_too(name, size):
    """Success and termination are those of the binary task, whatever the reward."""
    observation = np.zeros((1, size))
    observation[:, 28], observation[:, 33:39] = 1.5, [0.0, 0.0, 1.0, 0.0, 0.0, 1.0]
    if name == "relocate":
        observation[:, 33:39] = 0.0
    for terminates in (False, True):
        simulation = adroit.simulate(adroit.HANDS[name], dense=True, terminates=terminates)
        nothing = np.zeros((1, simulation.model.nv))
        bodies = {"xpos": np.zeros((1, simulation.model.nbody, 3))}
        view = View(nothing, nothing, bodies, nothing, np.zeros(1, int))
        outcome = simulation.judge(view, None, view, observation)
        assert outcome.success[0] and outcome.terminated[0] == terminates
