"""Whole episodes, from collections and from evaluations."""

import numpy as np
import pytest

from rankq_jax.envs import point_maze
from rankq_jax.envs.batch import batch_env
from rankq_jax.envs.rollout import collect, recorder
from rankq_jax.envs.streams import streams
from rankq_jax.evaluation import evaluate
from tests.envs.kinds import UMAZE


def make(rows, terminates=True):
    return batch_env(point_maze.simulate(UMAZE, terminates), rows, threads=1)


def test_collect_hands_over_whole_episodes_and_keeps_the_rest():
    env = make(3, terminates=False)
    state = env.reset(streams(0, 3))
    first = state.observation.copy()
    random = np.random.default_rng(0)
    out = collect(env, state, recorder(env), lambda o, t: random.uniform(-1, 1, (3, 2)), 700)
    assert [len(e.reward) for _, e in out.episodes] == [300] * 6
    assert [row for row, _ in out.episodes] == [0, 1, 2, 0, 1, 2]
    np.testing.assert_array_equal(out.recorder.length, [100] * 3)
    for _, episode in out.episodes:
        assert episode.truncated[-1] and not episode.truncated[:-1].any()
        np.testing.assert_array_equal(episode.observation[1:], episode.next_observation[:-1])
    np.testing.assert_array_equal(out.episodes[0][1].observation[0], first[0])


def test_collect_once_plays_one_episode_per_row():
    env = make(5)
    out = collect(env, env.reset(streams(0, 5)), recorder(env), lambda o, t: np.zeros((5, 2)), 300, once=True)
    assert sorted(row for row, _ in out.episodes) == [0, 1, 2, 3, 4]


def test_evaluation_files_episodes_under_their_seed_and_row():
    """Four rows that start nearer and nearer the goal, so that they end in reverse order."""
    env = make(4)
    right_of_goal = point_maze.goal(UMAZE) + np.array([[1.5, 0.0], [1.3, 0.0], [1.1, 0.0], [0.9, 0.0]])

    def reset(stream):
        state = env.reset(stream)
        at = env.snapshot(state)
        return env.place(state, np.arange(4), at._replace(qpos=right_of_goal, qvel=np.zeros((4, 2))))

    def left(observation, t):
        return np.broadcast_to(np.array([-1.0, 0.0]), (len(observation), 2))

    def measure(episode):
        solved = episode.success.any()
        return {"success": solved, "return": episode.reward.sum(), "length": len(episode.reward)}

    result = evaluate(env._replace(reset=reset), left, [1, 2], measure)
    np.testing.assert_allclose(result.start[..., :2].reshape(4, 2), right_of_goal)
    assert result.metrics["success"].all() and result.metrics["return"].tolist() == [[1.0, 1.0], [1.0, 1.0]]
    lengths = result.metrics["length"].ravel()
    assert (np.diff(lengths) < 0).all()
    assert [len(e.reward) for e in result.episodes] == lengths.tolist()
    np.testing.assert_allclose(result.goal, np.tile(point_maze.goal(UMAZE), (2, 2, 1)))


@pytest.mark.parametrize("steps", [1, 5, 33, 100])
def test_every_step_lands_in_its_episode_however_many_are_taken_at_once(steps):
    """Rows that end at other times, more than once in a call, and in the middle of one."""
    env, random = make(3, terminates=False).limit(12), np.random.default_rng(0)
    state = env.reset(streams(0, 3))._replace(step=np.array([0, 5, 11], np.int32))
    taken, ended, running = [], [], recorder(env)

    def act(observation, t):
        taken.append((observation.copy(), random.uniform(-1, 1, (3, 2)).astype(np.float32)))
        return taken[-1][1]

    while len(taken) < 100:
        out = collect(env, state, running, act, min(steps, 100 - len(taken)))
        state, running = out.state, out.recorder
        ended += out.episodes
    for row, first in enumerate((12, 7, 1)):
        cuts = [0, *range(first, 101, 12)]
        mine = [episode for of, episode in ended if of == row]
        assert [len(e.reward) for e in mine] == np.diff(cuts).tolist()
        actions = np.concatenate(
            [*(e.action for e in mine), running.steps.action[row, : running.length[row]]]
        )
        np.testing.assert_array_equal(actions, [action[row] for _, action in taken])
        seen = np.concatenate([e.observation for e in mine])
        np.testing.assert_array_equal(seen, [observation[row] for observation, _ in taken[: cuts[-1]]])
        assert running.length[row] == 100 - cuts[-1]
    times = {row: np.cumsum([len(e.reward) for of, e in ended if of == row]).tolist() for row in range(3)}
    order = [(times[row].pop(0), row) for row, _ in ended]
    assert order == sorted(order)
