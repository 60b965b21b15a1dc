"""Point mazes and their data: waypoints and noisy proportional-derivative control."""

import numpy as np

from rankq_jax.data.generate.waypoints import Navigator, grid, steer
from rankq_jax.data.prepare import RewardTransform
from rankq_jax.envs import point_maze
from rankq_jax.envs.batch import batch_env
from rankq_jax.envs.maze_map import free_cells
from rankq_jax.envs.point_maze import POINT_MAZES, PointMaze
from rankq_jax.envs.rollout import Act
from rankq_jax.tasks.collection import scripted
from rankq_jax.tasks.task import Generator, Progress, Scene, Task
from rankq_jax.types import Episodes

_STEPS = {"pointmaze-umaze": 80_000, "pointmaze-medium": 150_000, "pointmaze-large": 300_000}
_REWARDS = (0.0, 1.0)
LONGEST = 3  # times the horizon: collectors that go from goal to goal are given more time


def _generate(maze: PointMaze, steps: int, seed: int, threads: int, progress: Progress) -> Episodes:
    cells, random = grid(free_cells(maze.map), maze.map.cell_size), np.random.default_rng(seed)

    def behaviour(rows: int, elapsed: np.ndarray) -> Act:
        offset = point_maze.POSITION_NOISE * maze.map.cell_size
        navigator = Navigator(cells, rows, random, radius=point_maze.SUCCESS_RADIUS, offset=offset)

        def act(observation: np.ndarray, t: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
            waypoint = navigator.waypoint(observation[:, :2])
            return steer(observation, waypoint, random), {"desired_goal": navigator.goal}

        return act

    simulation, info = point_maze.simulate(maze, terminates=False), {"desired_goal": (2,)}
    whole = scripted(simulation, behaviour, steps, seed, threads, progress, info)
    reached = point_maze.near(whole.next_observation, whole.info["desired_goal"])
    return whole._replace(success=reached, reward=np.where(reached, _REWARDS[1], _REWARDS[0]))


def task(name: str, maze: PointMaze) -> Task:
    """A sparse point-maze task: by default -1 for every step and 0 at the goal."""
    target = point_maze.goal(maze)
    return Task(
        name=name,
        domain="pointmaze",
        environment=lambda rows, threads: batch_env(point_maze.simulate(maze), rows, threads),
        transform=RewardTransform(scale=1.0, bias=-1.0, failure=_REWARDS[0]),
        success=lambda observation: point_maze.near(observation, target),
        rewards=_REWARDS,
        generators={
            "waypoints": Generator(
                steps=_STEPS[name],
                shard_steps=1_000_000,
                make=lambda *arguments: _generate(maze, *arguments),
                algorithm="breadth-first waypoints with noisy proportional-derivative control",
                env_specs=lambda: point_maze.env_specs(maze),
            )
        },
        scene=Scene(maze.map, target, point_maze.SUCCESS_RADIUS, max_step=2 * point_maze.MAX_SPEED * 0.01),
        unending=lambda rows, threads: batch_env(point_maze.simulate(maze, terminates=False), rows, threads),
        longest=LONGEST * maze.horizon,
    )


TASKS = [task(name, maze) for name, maze in POINT_MAZES.items()]
