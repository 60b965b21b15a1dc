"""AntMaze: physics against gymnasium-robotics, layout, starts, goals and rewards against D4RL's."""

import gymnasium
import numpy as np
import pytest

from rankq_jax.environments import Snapshot
from rankq_jax.envs import ant, ant_maze
from rankq_jax.envs.batch import batch_env
from rankq_jax.envs.maze_map import free_cells
from rankq_jax.envs.robotics import env_spec
from rankq_jax.envs.streams import streams

# From D4RL's code and description: cells (# a wall), evaluation goal cell, steps until truncation, and the
# region of evaluation goals, x and y in metres.
LAYOUTS = {
    "umaze": ("##### #...# ###.# #...# #####", (3, 1), 700, ((0.0, 1.5), (8.0, 9.5))),
    "medium": (
        "######## #..##..# #..#...# ##...### #..#...# #.#..#.# #...#..# ########",
        (6, 6),
        1000,
        ((20.0, 21.5), (20.0, 21.5)),
    ),
    "large": (
        "############ #....#.....# #.##.#.#.#.# #......#...# #.####.###.# #..#.#.....# ##.#.#.#.### "
        "#..#...#...# ############",
        (7, 9),
        1000,
        ((32.0, 33.5), (24.0, 25.5)),
    ),
}
PLAY_GOALS = {
    "medium": {(2, 6), (5, 1), (6, 5)},
    "large": {(1, 6), (3, 5), (3, 10), (5, 2), (7, 4), (7, 6), (7, 9)},
}
STANDING = np.array([0.0, 0.0, 0.75, 1.0, *np.zeros(11)])
every_maze = pytest.mark.parametrize("name", LAYOUTS)


def make(name, rows, terminates=True, threads=1, **arguments):
    return batch_env(ant_maze.simulate(ant_maze.ANT_MAZES[name], terminates, **arguments), rows, threads)


def origin(name):
    """`[2]` of D4RL's frame in that of the physics, which is centred: cell (1, 1), 4 m cells, y downwards."""
    rows = LAYOUTS[name][0].split()
    width, height = 4.0 * len(rows[0]), 4.0 * len(rows)
    return np.array([6.0 - width / 2, 6.0 - height / 2])


def at_rest(name, position, goal, step=0):
    """Snapshots of ants that stand at positions `[n, 2]` of D4RL's frame."""
    qpos = np.tile(STANDING, (len(position), 1))
    qpos[:, :2] = position + origin(name)
    velocity, steps = np.zeros((len(position), 14)), np.full(len(position), step, np.int32)
    return Snapshot(qpos, velocity, velocity.copy(), np.tile(goal, (len(position), 1)), steps)


def placed(env, at):
    return env.place(env.reset(streams(0, env.rows)), np.arange(env.rows), at)


def rest_step(env, at):
    """One step of standing still."""
    return env.step(placed(env, at), np.zeros((env.rows, 8)), np.ones(env.rows, bool))


def native_env(name):
    """Plain gymnasium-robotics with our ant. Its y grows upwards, so that the map stands on its head."""
    rows, goal, *_ = LAYOUTS[name]
    cells = [[int(cell == "#") for cell in row] for row in rows.split()]
    cells[1][1], cells[goal[0]][goal[1]] = "r", "g"
    spec = env_spec(
        "AntMaze_Medium-v5",
        maze_map=cells[::-1],
        continuing_task=False,
        include_cfrc_ext_in_observation=False,
        xml_file=str(ant.MODEL),
    )
    return gymnasium.make(spec).unwrapped


@every_maze
def test_physics_equals_gymnasium_bit_for_bit(name):
    native = native_env(name)
    env = make(name, 2, terminates=False)
    random = np.random.default_rng(0)
    native.reset(seed=0)
    data = native.data
    goal = native.goal - origin(name)
    both = np.tile(data.qpos, (2, 1)), np.tile(data.qvel, (2, 1)), np.tile(data.qacc_warmstart, (2, 1))
    state = placed(env, Snapshot(*both, np.tile(goal, (2, 1)), np.zeros(2, np.int32)))
    for t in range(200):
        if t % 5 == 0:
            action = random.uniform(-1.2, 1.2, 8)  # also out of bounds: both clip
        seen, *_ = native.step(action)
        state, step = env.step(state, np.tile(action, (2, 1)), np.ones(2, bool))
        at = env.snapshot(state)
        np.testing.assert_array_equal(at.qpos, np.tile(data.qpos, (2, 1)))
        np.testing.assert_array_equal(at.qvel, np.tile(data.qvel, (2, 1)))
        flat = np.concatenate([seen["achieved_goal"] - origin(name), seen["observation"]])
        np.testing.assert_array_equal(step.next_observation, np.tile(flat, (2, 1)))
    assert np.abs(data.qpos[:2] - origin(name)).max() > 0.1  # it has moved
    native.close()


@every_maze
def test_the_map_and_its_positions_are_those_of_d4rl(name):
    layout, goal, horizon, _ = LAYOUTS[name]
    maze, rows = ant_maze.ANT_MAZES[name], layout.split()
    assert maze.map.cells == tuple(tuple(int(cell == "#") for cell in row) for row in rows)
    assert maze.goal_cell == goal and maze.horizon == horizon and ant_maze.START == (1, 1)
    free = [(i, j) for i, row in enumerate(rows) for j, cell in enumerate(row) if cell == "."]
    np.testing.assert_array_equal(free_cells(maze.map), [[4.0 * (j - 1), 4.0 * (i - 1)] for i, j in free])
    if name in PLAY_GOALS:
        assert set(maze.play_goals) >= PLAY_GOALS[name]
        assert set(maze.play_goals) <= PLAY_GOALS[name] | {goal}
    assert set(maze.play_goals) <= set(free)


@every_maze
def test_walls_stand_where_the_map_has_them(name):
    rows, model = LAYOUTS[name][0].split(), ant_maze.model(ant_maze.ANT_MAZES[name])
    blocks = [i for i in range(model.ngeom) if model.geom(i).name.startswith("block")]
    built = {tuple(model.geom_pos[i][:2] - origin(name)) for i in blocks}
    walls = [(i, j) for i, row in enumerate(rows) for j, cell in enumerate(row) if cell == "#"]
    assert built == {(4.0 * (j - 1), 4.0 * (i - 1)) for i, j in walls}
    np.testing.assert_array_equal(model.geom_size[blocks], [[2.0, 2.0, 1.0]] * len(blocks))  # half of 4, 4, 2


@every_maze
def test_starts_have_the_noise_of_d4rl(name):
    state = make(name, 400).reset(streams(0, 400))
    start, velocity = state.observation[:, :15], state.observation[:, 15:]
    noise = start - STANDING
    assert (np.abs(noise) <= 0.1).all()
    assert (noise.min(axis=0) < -0.09).all() and (noise.max(axis=0) > 0.09).all()
    np.testing.assert_allclose(velocity.std(), 0.1, rtol=0.04)  # 3 standard errors of 5,600 draws
    np.testing.assert_allclose(velocity.mean(axis=0), 0.0, atol=0.02)
    assert np.abs(velocity).max() > 0.3  # normal, not uniform


@every_maze
def test_goals_are_drawn_from_d4rls_region_for_every_episode(name):
    env = make(name, 200)
    (low_x, high_x), (low_y, high_y) = LAYOUTS[name][3]
    low, high = np.array([low_x, low_y]), np.array([high_x, high_y])
    state = env.reset(streams(0, 200))
    ended, _ = env.step(
        state._replace(step=np.full(200, env.horizon - 1, np.int32)), np.zeros((200, 8)), np.ones(200, bool)
    )
    for goal in (state.goal, ended.goal):
        assert (goal >= low).all() and (goal <= high).all()
        assert (goal.min(axis=0) < low + 0.1).all() and (goal.max(axis=0) > high - 0.1).all()
    assert not (state.goal == ended.goal).any()
    np.testing.assert_allclose(ant_maze.goal(ant_maze.ANT_MAZES[name]), (low + high) / 2)


def test_starts_can_be_drawn_from_given_cells_and_the_goal_fixed():
    cells = free_cells(ant_maze.ANT_MAZES["medium"].map)[[3, 7]]
    env = make("medium", 200, starts=cells, target=np.array([8.0, 12.0]))
    state = env.reset(streams(0, 200))
    offset = state.observation[:, None, :2] - cells
    nearest = np.abs(offset).max(axis=2).argmin(axis=1)
    assert set(nearest) == {0, 1}
    drawn = offset[np.arange(200), nearest]
    assert (np.abs(drawn) <= 1.1).all()  # up to 1 m, and the noise on every coordinate
    assert (drawn.max(axis=0) > 0.9).all() and (drawn.min(axis=0) < -0.9).all()
    np.testing.assert_array_equal(state.goal, np.tile([8.0, 12.0], (200, 1)))


AROUND = np.array([[0.49, 0.0], [0.51, 0.0], [0.0, -0.49], [0.0, -0.51], [0.34, 0.34], [-0.37, 0.37]])
REACHED = np.array([True, False, True, False, True, False])  # 0.34 sqrt(2) = 0.481, 0.37 sqrt(2) = 0.523


@every_maze
def test_success_within_half_a_metre_pays_1_and_terminates(name):
    env, goal = make(name, 6), np.array([4.0, 0.0])  # the cell next to the start is free in every maze
    state, step = rest_step(env, at_rest(name, goal + AROUND, goal, step=3))
    # One step at rest: the ant drops, and stays where it is to a millimetre.
    np.testing.assert_allclose(step.next_observation[:, :2], goal + AROUND, atol=1e-3)
    np.testing.assert_array_equal(step.success, REACHED)
    np.testing.assert_array_equal(step.reward, np.where(REACHED, 1.0, 0.0))
    np.testing.assert_array_equal(step.terminated, REACHED)
    assert not step.truncated.any()
    np.testing.assert_array_equal(state.step, np.where(REACHED, 0, 4))
    np.testing.assert_array_equal(state.episode, np.where(REACHED, 2, 1))


@every_maze
def test_success_wins_over_the_time_limit(name):
    horizon, goal = LAYOUTS[name][2], np.array([4.0, 0.0])
    env = make(name, 6)
    assert env.horizon == horizon
    state, step = rest_step(env, at_rest(name, goal + AROUND, goal, step=horizon - 1))
    np.testing.assert_array_equal(step.terminated, REACHED)
    np.testing.assert_array_equal(step.truncated, ~REACHED)
    assert (state.step == 0).all() and (state.episode == 2).all()
    _, step = rest_step(env, at_rest(name, goal + AROUND, goal, step=horizon - 2))
    assert not step.truncated.any()


def test_data_collection_goes_on_at_the_goal():
    env, goal = make("medium", 6, terminates=False), np.array([4.0, 0.0])
    state, step = rest_step(env, at_rest("medium", goal + AROUND, goal, step=3))
    np.testing.assert_array_equal(step.success, REACHED)
    np.testing.assert_array_equal(step.reward, np.where(REACHED, 1.0, 0.0))
    assert not step.terminated.any() and (state.step == 4).all() and (state.episode == 1).all()
    _, step = rest_step(env, at_rest("medium", goal + AROUND, goal, step=999))
    assert step.truncated.all()  # a time limit, at the goal too


def test_each_row_has_its_own_goal():
    env = make("medium", 2)
    at = at_rest("medium", np.array([[4.0, 0.0], [4.0, 0.0]]), np.zeros(2))
    at.goal[:] = [[4.0, 0.3], [0.0, 4.0]]
    _, step = rest_step(env, at)
    np.testing.assert_array_equal(step.success, [True, False])


def test_turning_over_ends_nothing():
    env = make("umaze", 1)
    at = at_rest("umaze", np.zeros((1, 2)), np.array([0.0, 8.0]))
    at.qpos[:, 2:7] = [0.5, 0.0, 1.0, 0.0, 0.0]  # half a turn about the x axis
    state = placed(env, at)
    for t in range(30):
        state, step = env.step(state, np.zeros((1, 8)), np.ones(1, bool))
        assert not step.terminated[0] and not step.truncated[0] and step.reward[0] == 0.0
        assert state.step[0] == t + 1
    x, y = state.observation[0, 4:6]  # of the quaternion w x y z
    assert 1 - 2 * (x * x + y * y) < -0.9  # height of the torso's z axis: it lies on its back


def test_the_observation_is_that_of_d4rl():
    """Position, height, quaternion w x y z, 8 angles, 6 velocities of the torso, 8 of the joints."""
    env = make("large", 1)
    joints = np.arange(1, 9) / 100
    at = at_rest("large", np.array([[4.0, 8.0]]), np.zeros(2))
    at.qpos[0, 2:7] = [0.8, 0.5, 0.5, 0.5, 0.5]
    at.qpos[0, 7:], at.qvel[0] = joints, np.arange(14) / 10
    state = placed(env, at)
    expected = [4.0, 8.0, 0.8, 0.5, 0.5, 0.5, 0.5, *joints, *(np.arange(14) / 10)]
    np.testing.assert_allclose(state.observation, [expected], rtol=0, atol=1e-15)
    assert env.observation_size == 29 and env.action_size == 8
