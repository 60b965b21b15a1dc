"""The ant that runs where it is told to: what it sees, what it is paid for, when its episodes end."""

import numpy as np
import pytest

from rankq_jax.envs import ant
from rankq_jax.envs.batch import View, batch_env
from rankq_jax.envs.streams import streams
from rankq_jax.testing.comparing import drawn


@pytest.fixture(scope="module")
def env():
    return batch_env(ant.run_where_told(), 4, threads=1)


def placed(env, **changes):
    """All rows standing at rest, but for changes to the snapshot."""
    state = env.reset(streams(0, env.rows))
    at = env.snapshot(state)
    standing = np.tile([0.0, 0.0, 0.75, 1.0, *np.zeros(11)], (env.rows, 1))
    at = at._replace(qpos=standing, qvel=np.zeros_like(at.qvel))._replace(**changes)
    return env.place(state, np.arange(env.rows), at)


def unit(angle):
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def test_one_step_is_a_tenth_of_a_second(env):
    # The time comes first in an integration state.
    state, _ = env.step(env.reset(streams(0, 4)), np.zeros((4, 8)), np.ones(4, bool))
    np.testing.assert_allclose(state.simulator[:, 0], 0.1, rtol=1e-12)


def test_full_actions_are_30_newton_metres_with_armature_and_damping_1():
    model = ant.model()
    np.testing.assert_array_equal(model.actuator_gear[:, 0], 30.0)
    np.testing.assert_array_equal(model.actuator_ctrlrange, [[-1.0, 1.0]] * 8)
    np.testing.assert_array_equal(model.dof_armature[6:], 1.0)
    np.testing.assert_array_equal(model.dof_damping[6:], 1.0)


def test_the_observation_is_the_state_without_x_and_y_and_the_direction(env):
    state = env.reset(streams(3, 4))
    for action in drawn(env, 5, seed=1):
        state, step = env.step(state, action, np.ones(4, bool))
        at = env.snapshot(state)
        assert state.observation.shape == (4, 29)
        np.testing.assert_array_equal(state.observation[:, :13], at.qpos[:, 2:])
        np.testing.assert_array_equal(state.observation[:, 13:27], at.qvel)
        np.testing.assert_array_equal(state.observation[:, 27:], unit(at.goal[:, 0]))
        np.testing.assert_array_equal(step.next_observation, state.observation)
    assert env.observation_size == 29 and env.action_size == 8


def test_the_reward_is_the_way_along_the_direction(env):
    speed = np.array([[3.0, 0.0], [0.0, -2.0], [1.0, 1.0], [-4.0, 3.0]])
    velocity = np.zeros((4, 14))
    velocity[:, :2] = speed
    state = placed(env, qvel=velocity)
    for action in drawn(env, 20, seed=2):
        before, direction = env.snapshot(state).qpos[:, :2], state.observation[:, 27:]
        state, step = env.step(state, action, np.ones(4, bool))
        way = env.snapshot(state).qpos[:, :2] - before
        expected = way[:, 0] * direction[:, 0] + way[:, 1] * direction[:, 1]
        np.testing.assert_allclose(step.reward, expected, rtol=1e-12, atol=1e-15)
        assert not step.success.any()


def test_running_as_told_pays_and_running_away_costs(env):
    east, velocity = np.zeros((4, 10)), np.zeros((4, 14))
    velocity[:, 0] = [2.0, -2.0, 0.0, 0.0]
    velocity[:, 1] = [0.0, 0.0, 2.0, -2.0]
    _, step = env.step(placed(env, goal=east, qvel=velocity), np.zeros((4, 8)), np.ones(4, bool))
    assert step.reward[0] > 0.1 and step.reward[1] < -0.1
    np.testing.assert_allclose(step.reward[2:], 0.0, atol=0.01)


def test_directions_change_every_100_steps(env):
    steps = np.array([98, 99, 100, 899], np.int32)
    goal = env.reset(streams(5, 4)).goal
    state = placed(env, step=steps, goal=goal)
    row, index = np.arange(4), [0, 0, 1, 8]
    np.testing.assert_array_equal(state.observation[:, 27:], unit(goal[row, index]))
    before = env.snapshot(state).qpos[:, :2]
    state, step = env.step(state, drawn(env, 1, seed=3)[0], np.ones(4, bool))
    way = env.snapshot(state).qpos[:, :2] - before
    expected = (way * unit(goal[row, index])).sum(axis=1)  # paid for the direction that it saw
    np.testing.assert_allclose(step.reward, expected, rtol=1e-12)
    np.testing.assert_array_equal(step.next_observation[:, 27:], unit(goal[row, [0, 1, 1, 9]]))


def test_ten_directions_are_drawn_anew_for_every_episode():
    env = batch_env(ant.run_where_told(), 300, threads=1)
    state = env.reset(streams(0, 300))
    assert state.goal.shape == (300, 10)
    np.testing.assert_allclose(unit(state.goal).mean(axis=(0, 1)), 0.0, atol=0.05)  # 4 standard errors
    assert state.goal.min() < -3.1 and state.goal.max() > 3.1
    assert len(np.unique(state.goal)) == 3000
    last = state._replace(step=np.full(300, 999, np.int32))
    following, step = env.step(last, np.zeros((300, 8)), np.ones(300, bool))
    assert (step.truncated ^ step.terminated).all() and (following.episode == 2).all()
    assert len(np.unique(np.concatenate([state.goal, following.goal]))) == 6000


def test_heights_below_20_cm_and_above_1_m_end_the_episode():
    height = np.array([0.19, 0.2, 0.21, 0.99, 1.0, 1.01])
    qpos = np.tile(np.zeros(15), (6, 1))
    qpos[:, 2] = height
    view = View(qpos, np.zeros((6, 14)), {}, np.zeros((6, 10)), np.ones(6, np.int32))
    outcome = ant.run_where_told().judge(
        view._replace(step=np.zeros(6, np.int32)), np.zeros((6, 8)), view, np.zeros((6, 29))
    )
    np.testing.assert_array_equal(outcome.terminated, [True, False, False, False, False, True])
    assert not outcome.success.any()


def test_falling_is_a_failure_and_no_time_limit(env):
    qpos = np.tile([0.0, 0.0, 0.75, 1.0, *np.zeros(11)], (4, 1))
    qpos[:2, 2] = 1.5  # 0.1 s later it is still above 1 m
    state = placed(env, qpos=qpos, step=np.array([999, 5, 999, 5], np.int32))
    state, step = env.step(state, np.zeros((4, 8)), np.ones(4, bool))
    np.testing.assert_array_equal(step.terminated, [True, True, False, False])
    np.testing.assert_array_equal(step.truncated, [False, False, True, False])
    np.testing.assert_array_equal(state.step, [0, 0, 0, 6])
