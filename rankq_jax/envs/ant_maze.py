"""AntMaze with the mechanics, the frame and the evaluation of D4RL."""

import functools
from typing import NamedTuple

import mujoco
import numpy as np

from rankq_jax.envs import ant, raycast, robotics
from rankq_jax.envs.batch import Simulation, sparse
from rankq_jax.envs.maze_map import MazeMap, centre, from_start, square, within

SUCCESS_RADIUS = 0.5  # metres (D4RL code)
GOAL_OFFSETS = (1.0, 0.5)  # metres; two uniform offsets of a goal from its cell's centre, along x and along y
WALL_HEIGHT = 0.5  # of a cell
START = (1, 1)


class AntMaze(NamedTuple):
    """A maze for the ant.

    Attributes:
      map: the maze; episodes start in its cell (1, 1), which is the origin.
      goal_cell: row and column of the evaluation goal.
      play_goals: cells that the "play" data goes to: hand-picked ones (of the D4RL code; in the U maze, which
        has none there, the corners), among them the evaluation goal's.
      horizon: steps until truncation.
    """

    map: MazeMap
    goal_cell: tuple[int, int]
    play_goals: tuple[tuple[int, int], ...]
    horizon: int


ANT_MAZES = {
    "umaze": AntMaze(from_start(robotics.U_MAZE, 4.0), (3, 1), ((1, 1), (1, 3), (3, 1), (3, 3)), 700),
    "medium": AntMaze(from_start(robotics.MEDIUM_MAZE, 4.0), (6, 6), ((2, 6), (5, 1), (6, 5), (6, 6)), 1000),
    "large": AntMaze(
        from_start(robotics.LARGE_MAZE, 4.0),
        (7, 9),
        ((1, 6), (3, 5), (3, 10), (5, 2), (7, 4), (7, 6), (7, 9)),
        1000,
    ),
}


def goal(maze: AntMaze) -> np.ndarray:
    """`[2]` the middle of the region that evaluation goals are drawn from; datasets are labeled by it."""
    return centre(maze.map, maze.goal_cell) + sum(GOAL_OFFSETS) / 2


def near(position: np.ndarray, target: np.ndarray) -> np.ndarray:
    """`[n, >= 2], [n, 2] or [2] -> [n]` bool: within the success radius."""
    return within(position, target, SUCCESS_RADIUS)


@functools.cache
def model(maze: AntMaze) -> mujoco.MjModel:
    """The ant in a maze, as gymnasium-robotics builds it from the map with its rows turned round.

    So y grows with the row, as in D4RL; only the origin differs, by `shift`.
    """
    return robotics.maze_model(ant.MODEL, maze.map.cells[::-1], maze.map.cell_size, WALL_HEIGHT)


def shift(maze: AntMaze) -> np.ndarray:
    """`[2]` metres to add to positions in the physics, whose origin is the middle, to get the map's frame."""
    rows, columns = len(maze.map.cells), len(maze.map.cells[0])
    return np.array([columns - 3, rows - 3]) / 2 * maze.map.cell_size


def simulate(
    maze: AntMaze,
    terminates: bool = True,
    starts: np.ndarray | None = None,
    target: np.ndarray | None = None,
) -> Simulation:
    """The ant in a maze: observation `[x, y, z, quaternion, 8 angles, 14 velocities]`, 29 numbers, SI units.

    An episode starts standing at the origin with D4RL's noise and has a goal drawn from the square of 1.5 m
    beyond the goal cell's centre. The goal is not part of the observation. One step is 0.1 s. The raw reward
    is 1 within 0.5 m of the goal, else 0. Turning over ends nothing.

    Args:
      maze: the maze.
      terminates: whether reaching the goal ends the episode; data collection goes on.
      starts: `[cells, 2]` positions to draw starts from, each moved by up to 1 m along x and y (as
        gymnasium-robotics does), in place of the origin.
      target: `[2]` goal of every episode, in place of a drawn one.
    """
    corner, origin = centre(maze.map, maze.goal_cell), shift(maze)
    built = model(maze)

    def reset(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        qpos, qvel = ant.rest(built, random)
        qpos[:2] -= origin
        if starts is not None:
            qpos[:2] += starts[random.integers(len(starts))] + random.uniform(-1.0, 1.0, 2)
        drawn = corner + sum(random.uniform(0.0, offset, 2) for offset in GOAL_OFFSETS)
        return qpos, qvel, drawn if target is None else target

    def observe_state(qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray:
        observation = np.concatenate([qpos, qvel], axis=1)
        observation[:, :2] += origin
        return observation

    return Simulation(
        model=built,
        substeps=ant.SUBSTEPS,
        horizon=maze.horizon,
        reset=reset,
        observe=lambda view: observe_state(view.qpos, view.qvel),
        judge=lambda before, action, after, observation: sparse(
            near(observation, after.goal), (0.0, 1.0), terminates
        ),
        camera=raycast.overview(*square(maze.map)),
    )
