"""What holds for environments of every kind: rows, threads, states set back, time limits, streams."""

import os

import numpy as np
import pytest

from rankq_jax.envs.batch import bounded, sparse
from rankq_jax.envs.physics import useful_threads
from rankq_jax.envs.streams import stream_seed, streams
from rankq_jax.testing import check_environment
from tests.envs.kinds import KINDS, episodes_of, make

every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
def test_every_kind_keeps_the_contract(kind):
    steps = episodes_of(kind, 1.2)  # past a time limit; a state that is set back over two
    check_environment(lambda rows, threads: make(kind, rows, threads=threads), steps=steps)


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
    np.testing.assert_array_equal(state.simulator[0], other.simulator[0])
    np.testing.assert_array_equal(state.goal[0], other.goal[0])


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


def test_few_rows_of_a_small_model_wake_no_further_thread(monkeypatch):
    point, ant = KINDS["point_maze"]().model, KINDS["ant_maze"]().model
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    for rows, threads, expected in [(4, 4, 1), (16, 4, 1), (40, 4, 2), (999, 4, 4), (4, 0, 1), (999, 0, 0)]:
        assert useful_threads(point, rows, 1, threads) == expected  # 0: every core
    assert [useful_threads(ant, 1, 5, threads) for threads in (0, 1, 4)] == [0, 1, 4]
