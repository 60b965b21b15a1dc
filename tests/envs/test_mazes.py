import gymnasium
import numpy as np
import pytest

from rankq_jax.data.generate.waypoints import WaypointController, grid, nearest_cell
from rankq_jax.envs import mazes
from rankq_jax.envs.batch import batch_env, stream_seed, streams
from rankq_jax.envs.rollout import collect, recorder
from rankq_jax.evaluation import evaluate
from rankq_jax.types import EnvState

UMAZE = mazes.POINT_MAZES["pointmaze-umaze"]


def make(rows=4, threads=1, terminates=True, maze=UMAZE):
    return batch_env(mazes.simulate(maze, terminates), rows, threads)


def assert_equal_states(left: EnvState, right: EnvState):
    for name in EnvState._fields:
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name), err_msg=name)


def rolled(env, state, actions):
    """States and steps along `actions [t, n, 2]`."""
    steps = []
    for action in actions:
        state, step = env.step(state, action, np.ones(env.rows, bool))
        steps.append(step)
    return state, steps


@pytest.mark.parametrize("name", sorted(mazes.POINT_MAZES))
def test_physics_equals_gymnasium_bit_for_bit(name):
    maze = mazes.POINT_MAZES[name]
    native = gymnasium.make(maze.env_id, continuing_task=False).unwrapped
    first, _ = native.reset(seed=0)
    env = make(rows=2, terminates=False, maze=maze)
    state = env.reset(streams(0, 2))
    model = native.point_env.model
    physics = state.physics.copy()
    # time comes first in an integration state, then positions and velocities
    physics[:, 1 : 1 + model.nq] = first["observation"][:2]
    physics[:, 1 + model.nq : 1 + model.nq + model.nv] = first["observation"][2:]
    state = state._replace(physics=physics)
    random = np.random.default_rng(0)
    for t in range(200):
        if t % 15 == 0:
            action = random.uniform(-1.4, 1.4, 2)  # also out of bounds: both clip
        expected, *_ = native.step(action)
        state, step = env.step(state, np.tile(action, (2, 1)), np.ones(2, bool))
        np.testing.assert_array_equal(step.next_observation, np.tile(expected["observation"], (2, 1)))
    native.close()


def test_results_depend_neither_on_threads_nor_on_other_rows():
    actions = np.random.default_rng(1).uniform(-1, 1, (350, 6, 2))  # past a time limit
    one, two = make(6, threads=1), make(6, threads=2)
    final, steps = rolled(one, one.reset(streams(5, 6)), actions)
    other, _ = rolled(two, two.reset(streams(5, 6)), actions)
    assert_equal_states(final, other)
    order = np.array([3, 0, 5, 1, 4, 2])
    shuffled, shuffled_steps = rolled(one, one.reset(streams(5, 6)[order]), actions[:, order])
    np.testing.assert_array_equal(shuffled.physics, final.physics[order])
    np.testing.assert_array_equal(shuffled_steps[-1].next_observation, steps[-1].next_observation[order])


def test_a_state_set_back_has_the_same_future():
    env = make(3)
    actions = np.random.default_rng(2).uniform(-1, 1, (700, 3, 2))  # over two resets
    middle, _ = rolled(env, env.reset(streams(1, 3)), actions[:250])
    kept = EnvState(*(leaf.copy() for leaf in middle))
    straight, _ = rolled(env, middle, actions[250:])
    again, _ = rolled(make(3, threads=2), kept, actions[250:])  # another process would do the same
    assert_equal_states(straight, again)


def test_inactive_rows_do_not_move():
    env = make(3)
    state = env.reset(streams(0, 3))
    active = np.array([True, False, True])
    after, _ = env.step(state, np.ones((3, 2)), active)
    np.testing.assert_array_equal(after.physics[1], state.physics[1])
    np.testing.assert_array_equal(after.step, [1, 0, 1])
    assert not np.array_equal(after.physics[0], state.physics[0])


def test_time_limit_truncates_and_resets_one_row():
    env = make(2)
    state = env.reset(streams(0, 2))._replace(step=np.array([299, 10], np.int32))
    state, step = env.step(state, np.zeros((2, 2)), np.ones(2, bool))
    np.testing.assert_array_equal(step.truncated, [True, False])
    assert not step.terminated.any()
    np.testing.assert_array_equal(state.step, [0, 11])
    np.testing.assert_array_equal(state.episode, [2, 1])


def placed(env, position, step=0):
    state = env.reset(streams(0, env.rows))
    physics = state.physics.copy()
    physics[:, 1:3], physics[:, 3:5] = position, 0.0
    return state._replace(physics=physics, step=np.full(env.rows, step, np.int32))


def test_success_terminates_and_wins_over_the_time_limit():
    env = make(1)
    near = mazes.goal(UMAZE) + np.array([0.3, 0.0])
    state, step = env.step(placed(env, near, step=299), np.zeros((1, 2)), np.ones(1, bool))
    assert step.success[0] and step.terminated[0] and not step.truncated[0]
    assert step.reward[0] == 1.0
    assert state.step[0] == 0 and state.episode[0] == 2
    far = mazes.goal(UMAZE) + np.array([0.5, 0.0])
    _, step = env.step(placed(env, far), np.zeros((1, 2)), np.ones(1, bool))
    assert not step.success[0] and step.reward[0] == 0.0


def test_starts_are_at_rest_in_every_free_cell_but_the_goal():
    env = make(200)
    observation = env.observe(env.reset(streams(0, 200)))
    cells = mazes.free_cells(UMAZE)
    index = np.argmin(np.linalg.norm(observation[:, None, :2] - cells[None], axis=2), axis=1)
    met = {tuple(cells[i]) for i in index}
    assert met == {tuple(c) for c in cells} - {tuple(mazes.goal(UMAZE))}
    assert np.abs(observation[:, :2] - cells[index]).max() <= 0.25
    assert (observation[:, 2:] == 0).all()


def test_streams_must_match_the_rows():
    with pytest.raises(ValueError, match="4 rows need streams"):
        make(4).reset(streams(0, 3))


def test_collect_hands_over_whole_episodes_and_keeps_the_rest():
    env = make(3, terminates=False)
    state = env.reset(streams(0, 3))
    first = env.observe(state).copy()
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


@pytest.mark.parametrize("name", sorted(mazes.POINT_MAZES))
def test_the_controller_reaches_goals_through_the_maze(name):
    maze = mazes.POINT_MAZES[name]
    env = make(20, maze=maze)
    cells = grid(mazes.free_cells(maze), mazes.CELL_SIZE)
    controller = WaypointController(cells, 20, np.random.default_rng(0))
    controller.goal = np.tile(mazes.goal(maze), (20, 1))
    act = lambda observation, t: controller(observation)  # noqa: E731
    out = collect(env, env.reset(streams(0, 20)), recorder(env), act, maze.horizon, once=True)
    assert np.mean([episode.success.any() for _, episode in out.episodes]) >= 0.95


def test_next_cells_are_neighbours_on_a_shortest_path():
    cells = grid(mazes.free_cells(UMAZE), 1.0)
    start, end = nearest_cell(cells, np.array([[-1.0, 1.0], [-1.0, -1.0]]))  # both ends of the U
    cell, length = start, 0
    while cell != end:
        following = cells.next_cell[cell, end]
        assert np.abs(cells.centre[following] - cells.centre[cell]).sum() == pytest.approx(1.0)
        cell, length = following, length + 1
    assert length == 6


def test_a_maze_in_two_parts_is_refused():
    with pytest.raises(ValueError, match="cannot be reached"):
        grid(np.array([[0.0, 0.0], [5.0, 0.0]]), 1.0)


def test_datasets_training_and_evaluations_start_elsewhere():
    env = make(50)
    keys = [7, stream_seed(7), stream_seed(7, 0, 1), stream_seed(7, 1, 1), stream_seed(7, 0)]
    starts = [env.observe(env.reset(streams(key, 50)))[:, :2].copy() for key in keys]
    for i, one in enumerate(starts):
        for other in starts[:i]:
            assert not np.isclose(one[:, None], other[None]).all(axis=2).any()


def test_evaluation_files_episodes_under_their_seed_and_row():
    """Four rows that start nearer and nearer the goal, so that they end in reverse order."""
    env = make(4)
    right_of_goal = mazes.goal(UMAZE) + np.array([[1.5, 0.0], [1.3, 0.0], [1.1, 0.0], [0.9, 0.0]])

    def reset(stream):
        state = env.reset(stream)
        physics = state.physics.copy()
        physics[:, 1:3], physics[:, 3:5] = right_of_goal, 0.0
        return state._replace(physics=physics)

    def left(params, observation, keys, t):
        return np.broadcast_to(np.array([-1.0, 0.0]), (*observation.shape[:2], 2))

    result = evaluate(env._replace(reset=reset), left, None, None, [1, 2])
    np.testing.assert_allclose(result.start[..., :2].reshape(4, 2), right_of_goal)
    assert result.success.all() and result.returns.tolist() == [[1.0, 1.0], [1.0, 1.0]]
    lengths = result.length.ravel()
    assert (np.diff(lengths) < 0).all()
    assert [len(e.reward) for e in result.episodes] == lengths.tolist()
    np.testing.assert_allclose(result.goal, np.tile(mazes.goal(UMAZE), (2, 2, 1)))
