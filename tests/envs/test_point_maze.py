import gymnasium
import numpy as np
import pytest

from rankq_jax.data.generate.waypoints import Navigator, grid, nearest_cell, steer
from rankq_jax.envs import point_maze
from rankq_jax.envs.batch import batch_env
from rankq_jax.envs.maze_map import free_cells
from rankq_jax.envs.rollout import collect, recorder
from rankq_jax.envs.streams import streams
from tests.envs.kinds import UMAZE

every_maze = pytest.mark.parametrize("name", sorted(point_maze.POINT_MAZES))


def make(rows=4, terminates=True, maze=UMAZE):
    return batch_env(point_maze.simulate(maze, terminates), rows, threads=1)


def placed(env, position, step=0):
    """All rows at rest at a position `[2]`, after so many steps."""
    state = env.reset(streams(0, env.rows))
    positions, steps = np.tile(position, (env.rows, 1)), np.full(env.rows, step, np.int32)
    at = env.snapshot(state)._replace(qpos=positions, qvel=np.zeros((env.rows, 2)), step=steps)
    return env.place(state, np.arange(env.rows), at)


@every_maze
def test_physics_equals_gymnasium_bit_for_bit(name):
    maze = point_maze.POINT_MAZES[name]
    native = gymnasium.make(maze.env_id, continuing_task=False).unwrapped
    first, _ = native.reset(seed=0)
    env = make(rows=2, terminates=False, maze=maze)
    state = placed(env, first["observation"][:2])
    np.testing.assert_array_equal(state.observation, np.tile(first["observation"], (2, 1)))
    random = np.random.default_rng(0)
    for t in range(200):
        if t % 15 == 0:
            action = random.uniform(-1.4, 1.4, 2)  # also out of bounds: both clip
        expected, *_ = native.step(action)
        state, step = env.step(state, np.tile(action, (2, 1)), np.ones(2, bool))
        np.testing.assert_array_equal(step.next_observation, np.tile(expected["observation"], (2, 1)))
    native.close()


def test_success_terminates_and_wins_over_the_time_limit():
    env = make(1)
    near = point_maze.goal(UMAZE) + np.array([0.3, 0.0])
    state, step = env.step(placed(env, near, step=299), np.zeros((1, 2)), np.ones(1, bool))
    assert step.success[0] and step.terminated[0] and not step.truncated[0]
    assert step.reward[0] == 1.0
    assert state.step[0] == 0 and state.episode[0] == 2
    far = point_maze.goal(UMAZE) + np.array([0.5, 0.0])
    _, step = env.step(placed(env, far), np.zeros((1, 2)), np.ones(1, bool))
    assert not step.success[0] and step.reward[0] == 0.0


def test_data_collection_goes_on_at_the_goal():
    env = make(1, terminates=False)
    state, step = env.step(placed(env, point_maze.goal(UMAZE), step=7), np.zeros((1, 2)), np.ones(1, bool))
    assert step.success[0] and step.reward[0] == 1.0 and not step.terminated[0]
    assert state.step[0] == 8 and state.episode[0] == 1


@every_maze
def test_starts_are_at_rest_in_every_free_cell_but_the_goal(name):
    maze = point_maze.POINT_MAZES[name]
    state = make(800, maze=maze).reset(streams(0, 800))
    observation, cells = state.observation, free_cells(maze.map)
    index = np.argmin(np.linalg.norm(observation[:, None, :2] - cells[None], axis=2), axis=1)
    met = {tuple(cells[i]) for i in index}
    assert met == {tuple(c) for c in cells} - {tuple(point_maze.goal(maze))}
    assert np.abs(observation[:, :2] - cells[index]).max() <= 0.25
    assert (observation[:, 2:] == 0).all()


@every_maze
def test_the_controller_reaches_goals_through_the_maze(name):
    maze = point_maze.POINT_MAZES[name]
    env = make(20, maze=maze)
    cells, random = grid(free_cells(maze.map), 1.0), np.random.default_rng(0)
    navigator = Navigator(cells, 20, random, radius=0.45, offset=0.25)
    navigator.goal = np.tile(point_maze.goal(maze), (20, 1))
    act = lambda observation, t: steer(observation, navigator.waypoint(observation[:, :2]), random)  # noqa: E731
    out = collect(env, env.reset(streams(0, 20)), recorder(env), act, maze.horizon, once=True)
    assert np.mean([episode.success.any() for _, episode in out.episodes]) >= 0.95


def test_next_cells_are_neighbours_on_a_shortest_path():
    cells = grid(free_cells(UMAZE.map), 1.0)
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
