"""What holds for environments of every kind: rows, threads, states set back, time limits, streams."""

import numpy as np
import pytest

from rankq_jax.envs.batch import bounded, sparse, stream_seed, streams
from rankq_jax.types import EnvState
from tests.envs.kinds import KINDS, assert_equal_states, draw_actions, episodes_of, make, rolled

every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
def test_results_depend_neither_on_threads_nor_on_other_rows(kind):
    one, two = make(kind, 6, threads=1), make(kind, 6, threads=2)
    actions = draw_actions(one, episodes_of(kind, 1.2), seed=1)  # past a time limit
    final, steps = rolled(one, one.reset(streams(5, 6)), actions)
    other, _ = rolled(two, two.reset(streams(5, 6)), actions)
    assert_equal_states(final, other)
    order = np.array([3, 0, 5, 1, 4, 2])
    shuffled, shuffled_steps = rolled(one, one.reset(streams(5, 6)[order]), actions[:, order])
    for name in EnvState._fields:
        left, right = getattr(shuffled, name), getattr(final, name)[order]
        np.testing.assert_array_equal(left, right, err_msg=name)
    np.testing.assert_array_equal(shuffled_steps[-1].next_observation, steps[-1].next_observation[order])
    alone = make(kind, 1)
    single, _ = rolled(alone, alone.reset(streams(5, 6)[4:5]), actions[:, 4:5])
    np.testing.assert_array_equal(single.physics, final.physics[4:5])


@every_kind
def test_a_state_set_back_has_the_same_future(kind):
    env = make(kind, 3)
    steps = episodes_of(kind, 2.3)  # over two resets
    actions = draw_actions(env, steps, seed=2)
    middle, _ = rolled(env, env.reset(streams(1, 3)), actions[: steps // 3])
    kept = EnvState(*(leaf.copy() for leaf in middle))
    straight, seen = rolled(env, middle, actions[steps // 3 :])
    assert (straight.episode >= 3).all()
    # another process would do the same
    again, seen_again = rolled(make(kind, 3, threads=2), kept, actions[steps // 3 :])
    assert_equal_states(straight, again)
    for left, right in zip(seen, seen_again, strict=True):
        assert_equal_states(left, right)
    assert_equal_states(middle, kept)  # which stepping has not written to


@every_kind
def test_inactive_rows_do_not_move(kind):
    env = make(kind, 3)
    state, _ = rolled(env, env.reset(streams(0, 3)), draw_actions(env, 2, seed=0))
    active = np.array([True, False, True])
    action = np.ones((3, env.action_size))
    after, _ = make(kind, 3).step(state, action, active)  # one that knows nothing of the state but its value
    for name in EnvState._fields:
        np.testing.assert_array_equal(getattr(after, name)[1], getattr(state, name)[1], err_msg=name)
    np.testing.assert_array_equal(after.step, [3, 2, 3])
    assert not np.array_equal(after.physics[0], state.physics[0])
    # The rows that move do as they would beside one that moves too, and so does the other one later.
    together, _ = env.step(state, action, np.ones(3, bool))
    late, _ = env.step(after, action, ~active)
    assert_equal_states(late, together)


def test_an_inactive_row_keeps_even_a_velocity_above_the_limit():
    env = make("point_maze", 2)
    state = env.reset(streams(0, 2))
    at = env.snapshot(state)
    state = env.place(state, np.arange(2), at._replace(qvel=np.full((2, 2), 9.0)))
    state, _ = env.step(state, np.zeros((2, 2)), np.array([True, False]))
    velocity = env.snapshot(state).qvel
    assert np.abs(velocity[0]).max() <= 5.0
    np.testing.assert_array_equal(velocity[1], 9.0)


@every_kind
def test_time_limit_truncates_and_resets_one_row(kind):
    env = make(kind, 2)
    state = env.reset(streams(0, 2))._replace(step=np.array([env.horizon - 1, 10], np.int32))
    state, step = env.step(state, np.zeros((2, env.action_size)), np.ones(2, bool))
    np.testing.assert_array_equal(step.truncated, [True, False])
    assert not step.terminated.any()
    np.testing.assert_array_equal(state.step, [0, 11])
    np.testing.assert_array_equal(state.episode, [2, 1])


@every_kind
def test_a_step_returns_what_it_led_to_and_the_state_what_comes_next(kind):
    env = make(kind, 2)
    last = env.reset(streams(0, 2))._replace(step=np.array([env.horizon - 1, 0], np.int32))
    state, step = env.step(last, np.ones((2, env.action_size)), np.ones(2, bool))
    np.testing.assert_array_equal(state.observation[1], step.next_observation[1])
    assert not np.array_equal(state.observation[0], step.next_observation[0])
    # How an episode starts does not depend on how the one before it went.
    other, _ = env.step(last, -np.ones((2, env.action_size)), np.ones(2, bool))
    np.testing.assert_array_equal(state.observation[0], other.observation[0])
    np.testing.assert_array_equal(state.physics[0], other.physics[0])
    np.testing.assert_array_equal(state.goal[0], other.goal[0])


@every_kind
def test_actions_are_clipped(kind):
    env = make(kind, 1)
    state = env.reset(streams(0, 1))
    inside, outside = np.full((1, env.action_size), -1.0), np.full((1, env.action_size), -3.0)
    left, _ = env.step(state, inside, np.ones(1, bool))
    right, _ = env.step(state, outside, np.ones(1, bool))
    assert_equal_states(left, right)


def test_streams_must_match_the_rows():
    with pytest.raises(ValueError, match="4 rows need streams"):
        make("point_maze", 4).reset(streams(0, 3))


def test_datasets_training_and_evaluations_start_elsewhere():
    env = make("point_maze", 50)
    keys = [7, stream_seed(7), stream_seed(7, 0, 1), stream_seed(7, 1, 1), stream_seed(7, 0)]
    starts = [env.reset(streams(key, 50)).observation[:, :2].copy() for key in keys]
    for i, one in enumerate(starts):
        for other in starts[:i]:
            assert not np.isclose(one[:, None], other[None]).all(axis=2).any()


def test_bounded_clips_on_both_sides():
    values = np.array([-7.0, -5.0, -0.0, 4.9, 5.0, 6.0, np.nan], np.float32)
    np.testing.assert_array_equal(bounded(values, 5.0), [-5.0, -5.0, 0.0, np.float32(4.9), 5.0, 5.0, np.nan])
    assert bounded(values, 5.0).dtype == np.float32


@pytest.mark.parametrize("terminates", [False, True])
def test_a_sparse_outcome_counts_successes(terminates):
    outcome = sparse(np.array([False, True]), (-1.0, 0.0), terminates)
    np.testing.assert_array_equal(outcome.reward, [-1.0, 0.0])
    np.testing.assert_array_equal(outcome.terminated, [False, terminates])
    np.testing.assert_array_equal(outcome.success, [False, True])
