"""Each reading of two trajectories by hand."""

import numpy as np
import pytest

from rankq_jax.data.episodes import concatenate, relabel
from rankq_jax.data.prepare import RewardTransform, prepare
from rankq_jax.data.readings import READINGS
from rankq_jax.types import Episodes

ADROIT = (-1.0, 0.0)


def trajectory(position, rewards, terminals=()):
    position = np.asarray(position, np.float64)
    steps = len(position) - 1
    terminated = np.isin(np.arange(steps), terminals)
    return Episodes(
        observation=position[:-1, None],
        action=np.zeros((steps, 1)),
        reward=np.asarray(rewards, np.float64),
        next_observation=position[1:, None],
        terminated=terminated,
        truncated=(np.arange(steps) == steps - 1) & ~terminated,
        success=np.zeros(steps, bool),
        episode=np.zeros(steps, np.int64),
        info={},
    )


def reached(observation):
    return np.abs(observation[:, 0] - 3.0) < 0.5


def refused(observation):
    raise AssertionError("the recording says what a success is")


@pytest.fixture
def demonstrations():
    """In the goal, out of it and in again; a failure; a success at the end."""
    return concatenate(
        [
            trajectory([0, 3, 4, 3, 5, 6], [-1, 0, -1, 0, -1]),
            trajectory([10, 11, 12], [-1, -1]),
            trajectory([20, 21, 22], [-1, 0]),
        ]
    )


def test_the_registry():
    assert list(READINGS) == ["task", "recorded", "d4rl", "cal_ql", "rlpd"]


@pytest.mark.parametrize("reward", [(0.0, 1.0), (-1.0, 0.0), (-0.1, 10.0)])
def test_task_puts_the_rewards_of_the_task(reward):
    walk = trajectory([0, 1, 3, 4, 5], [7, 7, 7, 7])
    read = READINGS["task"](walk, reached, reward)
    np.testing.assert_array_equal(read.observation[:, 0], [0, 1, 4])
    np.testing.assert_array_equal(read.reward, [reward[0], reward[1], reward[0]])
    np.testing.assert_array_equal(read.terminated, [0, 1, 0])
    np.testing.assert_array_equal(read.truncated, [0, 0, 1])
    np.testing.assert_array_equal(read.episode, [0, 0, 1])
    np.testing.assert_array_equal(relabel(walk, reached).reward, [0, 1, 0, 0])  # 0 and 1 unless told


def test_recorded_makes_each_further_step_in_the_goal_a_segment(demonstrations):
    inside = trajectory([0, 1, 3, 3, 3, 4], [0, 1, 1, 1, 0], terminals=[1, 2, 3])
    read = READINGS["recorded"](concatenate([inside, demonstrations]), refused, (0.0, 1.0))
    np.testing.assert_array_equal(read.episode[:5], [0, 0, 1, 2, 3])
    np.testing.assert_array_equal(read.success[:5], [0, 1, 1, 1, 0])
    np.testing.assert_array_equal(read.terminated[:5], [0, 1, 1, 1, 0])
    np.testing.assert_array_equal(read.reward[:5], [0, 1, 1, 1, 0])
    np.testing.assert_array_equal(read.episode[5:], [4, 4, 4, 4, 4, 5, 5, 6, 6])
    segments = prepare(read, RewardTransform(10.0, -5.0, 0.0), 0.9)
    np.testing.assert_allclose(segments.extras["mc_return"][:5], [-5 + 0.9 * 5, 5, 5, 5, -50], rtol=1e-6)


def test_cal_ql_cuts_after_the_last_success_and_drops_failures(demonstrations):
    read = READINGS["cal_ql"](demonstrations, refused, ADROIT)
    np.testing.assert_array_equal(read.observation[:, 0], [0, 3, 4, 3, 20, 21])
    np.testing.assert_array_equal(read.episode, [0, 0, 0, 0, 1, 1])
    np.testing.assert_array_equal(read.terminated, [0, 1, 0, 1, 0, 1])
    np.testing.assert_array_equal(read.success, read.terminated)
    assert not read.truncated.any()
    data = prepare(read, RewardTransform(10.0, 5.0, -1.0), 0.9)
    np.testing.assert_allclose(data.discount, [0.9, 0, 0.9, 0, 0.9, 0])
    # backwards: 5 | -5 + .9 * 5 | 5 (nothing behind a terminal) | -5 + .9 * 5
    np.testing.assert_allclose(data.extras["mc_return"], [-0.5, 5, -0.5, 5, -0.5, 5], atol=1e-6)


def test_cal_ql_of_failures_alone_is_empty(demonstrations):
    assert len(READINGS["cal_ql"](demonstrations, refused, (0.0, 1.0)).reward) == 0


@pytest.mark.parametrize(("count", "kept"), [(1, 1), (2, 1), (9, 8), (10, 9), (30, 27), (31, 27)])
def test_rlpd_keeps_the_first_nine_tenths(count, kept):
    walks = concatenate([trajectory([k, k + 1, k + 2], [-1, -1 + k % 2], [1]) for k in range(count)])
    read = READINGS["rlpd"](walks, refused, ADROIT)
    np.testing.assert_array_equal(read.observation[:, 0], walks.observation[: 2 * kept, 0])
    assert not read.terminated.any()
    np.testing.assert_array_equal(read.truncated, np.arange(2 * kept) % 2)
    np.testing.assert_array_equal(read.success, walks.reward[: 2 * kept] == 0)
    np.testing.assert_array_equal(read.episode, np.repeat(np.arange(kept), 2))


@pytest.mark.parametrize("reward", [(0.0, 1.0), (-1.0, 0.0)])
def test_d4rl_ends_a_segment_at_every_step_of_a_success(reward):
    # Steps 2, 3 and 5 end in the goal at 3; the recording has other rewards and no terminals.
    walk = trajectory([0, 1, 2, 3, 3.2, 4, 3, 5, 6], [7] * 8)
    read = READINGS["d4rl"](walk, reached, reward)
    success = np.array([0, 0, 1, 1, 0, 1, 0, 0], bool)
    np.testing.assert_array_equal(read.success, success)
    np.testing.assert_array_equal(read.terminated, success)
    np.testing.assert_array_equal(read.reward, np.where(success, reward[1], reward[0]))
    np.testing.assert_array_equal(read.episode, [0, 0, 0, 1, 2, 2, 3, 3])
    np.testing.assert_array_equal(read.truncated, np.arange(8) == 7)
    prepared = prepare(read, RewardTransform(1.0, 0.0, reward[0]), 0.9)
    np.testing.assert_array_equal(prepared.extras["success"], [1, 1, 1, 1, 1, 1, 0, 0])


def test_d4rl_reads_a_file_of_d4rl_as_it_is_recorded():
    random = np.random.default_rng(0)
    walks = concatenate([trajectory(random.integers(0, 6, 30), [0] * 29) for _ in range(4)])
    file = relabel(
        walks, reached
    )  # D4RL judges the next observation by one goal, and terminates at each success
    ours, theirs = (READINGS[name](file, reached, (0.0, 1.0)) for name in ("d4rl", "recorded"))
    assert ours.success.any() and not ours.success.all()
    for name in Episodes._fields[:-1]:
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)
