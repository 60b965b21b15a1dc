"""Point mazes: the force-driven point of gymnasium-robotics as a simulation with array functions."""

import functools
from typing import NamedTuple

import mujoco
import numpy as np
from gymnasium.envs.registration import EnvSpec

from rankq_jax.envs import raycast, robotics
from rankq_jax.envs.batch import Simulation, bounded, sparse
from rankq_jax.envs.maze_map import MazeMap, centre, centred, free_cells, square, within

SUCCESS_RADIUS = 0.45  # metres; the value in gymnasium-robotics' code (its documentation says 0.5)
MAX_SPEED = 5.0  # metres per second, the point's velocity limit per axis
POSITION_NOISE = 0.25  # of a cell, uniform on both sides, on every start


class PointMaze(NamedTuple):
    """A maze for the point.

    Attributes:
      env_id: the gymnasium environment with the same physics.
      map: the maze.
      goal_cell: row and column of the evaluation goal.
      horizon: steps until truncation.
    """

    env_id: str
    map: MazeMap
    goal_cell: tuple[int, int]
    horizon: int


POINT_MAZES = {
    "pointmaze-umaze": PointMaze("PointMaze_UMaze-v3", centred(robotics.U_MAZE, 1.0), (3, 1), 300),
    "pointmaze-medium": PointMaze("PointMaze_Medium-v3", centred(robotics.MEDIUM_MAZE, 1.0), (6, 6), 600),
    "pointmaze-large": PointMaze("PointMaze_Large-v3", centred(robotics.LARGE_MAZE, 1.0), (7, 9), 800),
}


def goal(maze: PointMaze) -> np.ndarray:
    """`[2]` position of the fixed evaluation goal, in metres."""
    return centre(maze.map, maze.goal_cell)


def near(position: np.ndarray, target: np.ndarray) -> np.ndarray:
    """`[n, >= 2], [n, 2] or [2] -> [n]` bool: within the success radius."""
    return within(position, target, SUCCESS_RADIUS)


@functools.cache
def _model(maze: PointMaze) -> mujoco.MjModel:
    # Shared by every environment of a process; nothing writes to it.
    return robotics.maze_model(robotics.POINT, maze.map.cells, maze.map.cell_size, height=0.4)


def simulate(maze: PointMaze, terminates: bool = True) -> Simulation:
    """The point in a maze: observation `[x, y, vx, vy]` in metres and metres per second.

    An episode starts at rest in a random free cell, never the goal's, and has the fixed evaluation goal.
    The goal is not part of the observation. One step is 0.01 s. The raw reward is 1 at the goal, else 0.

    Args:
      maze: the maze.
      terminates: whether reaching the goal ends the episode; data collection goes on.
    """
    target, size = goal(maze), maze.map.cell_size
    centres = free_cells(maze.map)
    starts = centres[np.linalg.norm(centres - target, axis=1) > 0.5 * size]

    def reset(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        start = starts[random.integers(len(starts))]
        offset = random.uniform(-POSITION_NOISE, POSITION_NOISE, 2) * size
        return start + offset, np.zeros(2), target

    return Simulation(
        model=_model(maze),
        substeps=1,
        horizon=maze.horizon,
        reset=reset,
        observe=lambda view: np.concatenate([view.qpos, view.qvel], axis=1),
        judge=lambda before, action, after, observation: sparse(
            near(observation, after.goal), (0.0, 1.0), terminates
        ),
        limit=lambda qvel: bounded(qvel, MAX_SPEED),
        camera=raycast.overview(*square(maze.map)),
    )


def env_specs(maze: PointMaze) -> tuple[EnvSpec, EnvSpec]:
    """The gymnasium environments of a maze: the one that data is collected in, and the evaluation one.

    The first never ends and draws any goal; the second has the fixed goal cell and ends at the goal.
    """
    fixed: list[list[int | str]] = [list(row) for row in maze.map.cells]
    fixed[maze.goal_cell[0]][maze.goal_cell[1]] = robotics.GOAL
    collecting = robotics.env_spec(maze.env_id, continuing_task=True, reset_target=False)
    return collecting, robotics.env_spec(maze.env_id, maze_map=fixed, continuing_task=False)
