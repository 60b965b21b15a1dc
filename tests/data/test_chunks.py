import numpy as np
import pytest

from rankq_jax.data.chunks import action_chunks, chunked, waypoints
from rankq_jax.types import Episodes

ACTION = np.array([[1, 10], [2, 20], [3, 30], [4, 40], [5, 50]], np.float32)
EPISODE = np.array([0, 0, 0, 7, 7])


def test_a_chunk_is_the_next_actions_of_the_episode_and_then_rest():
    found = action_chunks(ACTION, EPISODE, 3, held=(1,))
    expected = [
        [1, 10, 2, 20, 3, 30],
        [2, 20, 3, 30, 0, 30],  # the second number keeps its last value, the first is a displacement
        [3, 30, 0, 30, 0, 30],
        [4, 40, 5, 50, 0, 50],
        [5, 50, 0, 50, 0, 50],
    ]
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.float32


def test_nothing_is_held_unless_asked_and_one_step_is_the_action():
    np.testing.assert_array_equal(action_chunks(ACTION, EPISODE, 2)[2], [3, 30, 0, 0])
    np.testing.assert_array_equal(action_chunks(ACTION, EPISODE, 1, held=(0,)), ACTION)
    assert action_chunks(ACTION[:0], EPISODE[:0], 4).shape == (0, 8)


def test_a_row_leads_to_where_its_chunk_ends():
    flags = np.zeros(5, bool)
    last, ends = np.array([False, False, True, False, True]), [1, 2, 2, 4, 4]
    whole = Episodes(ACTION, ACTION, np.arange(5.0), {"x": 2 * ACTION}, last, flags, last, EPISODE, {})
    found = chunked(whole, 2, (1,))
    assert found.action.shape == (5, 4)
    np.testing.assert_array_equal(found.observation, ACTION)
    np.testing.assert_array_equal(found.action[4], [5, 50, 0, 50])
    np.testing.assert_array_equal(found.next_observation["x"], 2 * ACTION[ends])
    np.testing.assert_array_equal(found.reward, ends)
    np.testing.assert_array_equal(found.terminated, last[ends])
    np.testing.assert_array_equal(found.success, last[ends])


def test_later_chunks_begin_at_every_third_step_and_at_the_last():
    length, episode = 11, np.repeat([3, 8, 9], 11)
    last = np.tile(np.arange(length) == length - 1, 3)
    step, flags = np.arange(33.0), np.zeros(33, bool)
    action = np.stack([step, -step], axis=1)
    whole = Episodes(step, action, step, step + 1, flags, last, last, episode, {"extra": 2 * step})
    found = chunked(whole, 2, (), every=3)
    expected = [0, 1, 2, 5, 8, 10, 11, 12, 14, 17, 20, 21, 22, 23, 26, 29, 32]
    assert found.observation.tolist() == expected
    assert found.info["extra"].tolist() == [2 * row for row in expected]
    np.testing.assert_array_equal(found.episode, episode[expected])
    np.testing.assert_array_equal(found.truncated, last[expected])
    ends = [min(row + 1, 11 * (row // 11) + 10) for row in expected]
    np.testing.assert_array_equal(found.next_observation, np.add(ends, 1))
    np.testing.assert_array_equal(found.reward, ends)
    np.testing.assert_array_equal(found.action[:, 0], expected)
    with pytest.raises(ValueError, match="every=0 must be at least 1"):
        chunked(whole, 2, (), every=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chunk": 0}, "chunk=0 must be at least 1"),
        ({"held": (2,)}, r"held=\(2,\) has the column 2, and an action has 0 to 1"),
        ({"episode": EPISODE[:3]}, r"action \[5, 2\] and episode \[3\] must be \[T, A\] and \[T\]"),
        ({"action": ACTION[:, 0]}, r"action \[5\] and episode \[5\] must be \[T, A\] and \[T\]"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(change, message):
    given = {"action": ACTION, "episode": EPISODE, "chunk": 2} | change
    with pytest.raises(ValueError, match=message) as error:
        action_chunks(**given)
    assert "\n" not in str(error.value)


def test_a_waypoint_is_where_the_grip_changes_next_or_the_end():
    """By hand: the second number changes at steps 2 and 3 of the first episode, and never in the second."""
    grip = np.array([1, 1, -1, 1, 1, 1, 1], np.float32)
    action, episode = np.stack([np.arange(7.0), grip], axis=1).astype(np.float32), np.array([0] * 5 + [4] * 2)
    place = np.arange(7.0, dtype=np.float32)[:, None]
    flags, seen, then = np.zeros(7, bool), {"at": place, "x": place}, {"at": place + 0.5, "x": place}
    whole = Episodes(action, action, np.zeros(7), then, flags, flags, flags, episode, {})._replace(
        observation=seen
    )
    expected = [[2], [2], [3], [4.5], [4.5], [6.5], [6.5]]
    np.testing.assert_array_equal(waypoints(whole, (1,), "at"), expected)
    np.testing.assert_array_equal(chunked(whole, 2, (1,), waypoint="at").info["waypoint"], expected)
    kept = chunked(whole, 1, (1,), every=2, waypoint="at").info["waypoint"]
    np.testing.assert_array_equal(kept, np.array(expected)[[0, 1, 3, 4, 5, 6]])
    assert "waypoint" not in chunked(whole, 2, (1,)).info
