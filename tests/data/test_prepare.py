import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankq_jax.data.episodes import concatenate, cut_at_success, last_rows, relabel
from rankq_jax.data.prepare import RewardTransform, best, prepare, with_preferences
from rankq_jax.types import Episodes

SPARSE = RewardTransform(scale=10.0, bias=-5.0, failure=0.0)


def episode(position, end="truncated", success=(), number=0):
    """A walk along `position` (T + 1 numbers); `success` are indices of steps that reach the goal."""
    position = np.asarray(position, np.float64)
    steps = len(position) - 1
    flags = {name: np.zeros(steps, bool) for name in ("terminated", "truncated", "success")}
    flags["success"][list(success)] = True
    if end:
        flags[end][-1] = True
    return Episodes(
        observation=position[:-1, None],
        action=np.full((steps, 1), 1.0),
        reward=flags["success"].astype(np.float64),
        next_observation=position[1:, None],
        episode=np.full(steps, number),
        info={},
        **flags,
    )


def test_a_success_by_hand():
    data = prepare(episode([0, 1, 2], "terminated", success=[1]), SPARSE, gamma=0.5)
    np.testing.assert_array_equal(data.reward, [-5.0, 5.0])
    np.testing.assert_array_equal(data.discount, [0.5, 0.0])
    np.testing.assert_array_equal(data.extras["success"], [1.0, 1.0])  # the whole trajectory
    np.testing.assert_allclose(data.extras["mc_return"], [-5.0 + 0.5 * 5.0, 5.0])


def test_a_failure_is_filled_with_failing_for_ever_and_keeps_its_discount():
    data = prepare(episode([0, 1, 2]), SPARSE, gamma=0.99)
    np.testing.assert_allclose(data.discount, [0.99, 0.99])  # a time limit is not a terminal
    np.testing.assert_array_equal(data.extras["success"], [0.0, 0.0])
    np.testing.assert_allclose(data.extras["mc_return"], [-500.0, -500.0], rtol=1e-5)


def test_the_reward_is_scaled_once_and_before_the_return():
    data = prepare(episode([0, 1], "terminated", success=[0]), SPARSE, gamma=0.99)
    np.testing.assert_array_equal(data.reward, [5.0])  # 10 * 1 - 5, and neither 45 nor 1
    np.testing.assert_array_equal(data.extras["mc_return"], [5.0])


def test_a_dense_task_gets_no_fill():
    data = prepare(episode([0, 1, 2]), RewardTransform(1.0, 1.0, None), gamma=0.5)
    np.testing.assert_allclose(data.extras["mc_return"], [1.5, 1.0])


def test_actions_stay_inside_the_open_box():
    both = episode([0, 1, 2])._replace(action=np.array([[1.0], [-1.0]]))
    data = prepare(both, SPARSE, gamma=0.99)
    np.testing.assert_array_equal(data.action, np.float32([[0.99999], [-0.99999]]))
    inside = prepare(both._replace(action=both.action * 0.9), SPARSE, gamma=0.99)
    np.testing.assert_allclose(inside.action, [[0.9], [-0.9]])


def test_no_return_crosses_an_episode():
    both = concatenate([episode([0, 1, 2]), episode([5, 6], "terminated", success=[0])])
    data = prepare(both, SPARSE, gamma=0.9)
    np.testing.assert_allclose(data.extras["mc_return"], [-50.0, -50.0, 5.0], rtol=1e-5)
    np.testing.assert_array_equal(data.extras["success"], [0.0, 0.0, 1.0])


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=1, max_size=5),
    st.floats(0.1, 0.99),
)
def test_returns_equal_the_sum_of_their_definition(shape, gamma):
    parts = [
        episode(np.arange(n + 1), "terminated" if win else "truncated", [n - 1] if win else [])
        for n, win in shape
    ]
    data = prepare(concatenate(parts), SPARSE, gamma)
    expected = []
    for n, win in shape:
        rewards = [-5.0] * (n - 1) + [5.0 if win else -5.0]
        for t in range(n):
            total = sum(gamma ** (k - t) * rewards[k] for k in range(t, n))
            expected.append(total if win else -5.0 / (1 - gamma))
    np.testing.assert_allclose(data.extras["mc_return"], expected, rtol=1e-4)


def reached(observation):
    return np.abs(observation[:, 0] - 3.0) < 0.5


def test_relabeling_judges_the_next_observation():
    labeled = relabel(episode([0, 1, 2, 3, 4, 3, 0]), reached)
    np.testing.assert_array_equal(labeled.success, [0, 0, 1, 0, 1, 0])
    np.testing.assert_array_equal(labeled.reward, [0, 0, 1, 0, 1, 0])
    np.testing.assert_array_equal(labeled.terminated, labeled.success)
    np.testing.assert_array_equal(labeled.truncated, [0, 0, 0, 0, 0, 1])


def test_cutting_ends_an_episode_at_its_success_and_drops_starts_inside_the_goal():
    cut = cut_at_success(relabel(episode([0, 1, 2, 3, 3, 4, 3, 0, 1]), reached), reached)
    # 0 1 2 | goal to goal and goal to 4 start inside: dropped | 4 | goal to 0 dropped | 0
    np.testing.assert_array_equal(cut.observation[:, 0], [0, 1, 2, 4, 0])
    np.testing.assert_array_equal(cut.next_observation[:, 0], [1, 2, 3, 3, 1])
    np.testing.assert_array_equal(cut.episode, [0, 0, 0, 1, 2])
    np.testing.assert_array_equal(cut.terminated, [0, 0, 1, 1, 0])
    np.testing.assert_array_equal(last_rows(cut), [0, 0, 1, 1, 1])


def test_cutting_leaves_the_next_episode_alone():
    first = relabel(episode([1, 2, 3]), reached)  # ends in the goal, and the next one starts elsewhere
    cut = cut_at_success(concatenate([first, relabel(episode([7, 8]), reached)]), reached)
    np.testing.assert_array_equal(cut.observation[:, 0], [1, 2, 7])
    np.testing.assert_array_equal(cut.episode, [0, 0, 1])


def test_joining_keeps_episodes_of_equal_number_apart():
    joined = concatenate([episode([0, 1], number=4), episode([2, 3], number=4)])
    np.testing.assert_array_equal(joined.episode, [0, 1])
    with pytest.raises(ValueError, match="nothing"):
        concatenate([])


def test_cutting_drops_a_first_row_inside_the_goal():
    cut = cut_at_success(relabel(episode([3, 4, 5]), reached), reached)
    np.testing.assert_array_equal(cut.observation[:, 0], [4])


def test_a_goal_reached_at_the_time_limit_is_a_success_and_not_a_truncation():
    labeled = relabel(episode([1, 2, 3], "truncated"), reached)
    assert labeled.terminated[-1] and not labeled.truncated[-1]
    np.testing.assert_array_equal(prepare(labeled, SPARSE, 0.9).discount, np.float32([0.9, 0.0]))


def test_the_next_action_is_never_that_of_another_episode():
    first, second = episode([0, 1, 2]), episode([5, 6, 7], number=1)
    both = concatenate([first, second])._replace(action=np.array([[0.1], [0.2], [0.3], [0.4]]))
    data = prepare(both, SPARSE, gamma=0.99)
    # the last row of an episode has no next action on record and keeps its own
    np.testing.assert_allclose(data.extras["next_action"][:, 0], [0.2, 0.2, 0.4, 0.4], rtol=1e-6)


def test_the_best_trajectories_are_the_shortest_ways_to_the_goal():
    long = episode([0, 1, 2, 3], "terminated", success=[2])
    short = episode([1, 2], "terminated", success=[0], number=1)
    failed = episode([4, 5], number=2)
    whole = concatenate([failed, long, short])
    prepared = prepare(whole, SPARSE, gamma=0.99)
    np.testing.assert_array_equal(best(whole, prepared, 0.1).observation[:, 0], [1.0])  # at least one
    np.testing.assert_array_equal(best(whole, prepared, 0.6).observation[:, 0], [0.0, 1.0, 2.0, 1.0])
    assert len(best(whole, prepared, 1.0).reward) == len(whole.reward)


def test_preferences_begin_as_the_recorded_actions():
    data = with_preferences(prepare(episode([0, 1, 2]), SPARSE, gamma=0.99))
    np.testing.assert_array_equal(data.extras["preferred_action"], data.action)
    assert set(data.extras) == {"success", "mc_return", "next_action", "preferred_action"}


def test_the_last_reward_of_a_time_limit_is_paid_for_ever():
    """`G_t = sum_k gamma^(k-t) r_k + gamma^(T-t) r_(T-1) / (1 - gamma)`; at a true end nothing follows."""
    paid = RewardTransform(1.0, 0.0, 0.0, persists=True)
    held = prepare(episode([0, 1, 2, 3], success=[1, 2]), paid, gamma=0.9)
    np.testing.assert_allclose(held.extras["mc_return"], [0.9 + 0.81 + 0.729 / 0.1, 10.0, 10.0], rtol=1e-5)
    lost = prepare(episode([0, 1, 2, 3], success=[1]), paid, gamma=0.9)
    np.testing.assert_allclose(lost.extras["mc_return"], [0.9, 1.0, 0.0], rtol=1e-5)
    ended = prepare(episode([0, 1, 2], "terminated", success=[1]), paid, gamma=0.9)
    np.testing.assert_allclose(ended.extras["mc_return"], [0.9, 1.0], rtol=1e-5)
    failed = prepare(episode([0, 1, 2]), paid, gamma=0.9)
    np.testing.assert_array_equal(failed.extras["mc_return"], [0.0, 0.0])
