"""AntMaze and its data: a trained ant that is sent through the maze."""

import numpy as np

from rankq_jax.data.generate import policy
from rankq_jax.data.generate.waypoints import Navigator, grid
from rankq_jax.data.prepare import RewardTransform
from rankq_jax.data.rules import StepLimit
from rankq_jax.envs import ant, ant_maze
from rankq_jax.envs.ant_maze import ANT_MAZES, AntMaze
from rankq_jax.envs.batch import batch_env
from rankq_jax.envs.maze_map import centre, free_cells
from rankq_jax.envs.rollout import Act
from rankq_jax.tasks.collection import scripted
from rankq_jax.tasks.task import Generator, Progress, Scene, Task
from rankq_jax.types import Episodes

ACTION_NOISE = 0.2  # standard deviation (D4RL code)
GOAL_NOISE = 1.0  # metres along each axis, around the centre of a cell
EVALUATION_NOISE = 0.25  # around the goal that the data is judged by, when its cell is drawn
REACHED = 0.5  # metres from a collecting goal
LINGER = {"play": 25, "diverse": 200}  # steps at a goal; so 1 to 5 % of the steps are successes
RARE = 0.005  # of the goals of `waypoints-rare`, the one that the data is judged by
STEPS = 1_000_000
STEP = 0.1  # seconds
DRIFT = 0.5  # metres; own data reach 0.12, a collision that takes 3 m/s away makes 0.15
LONGEST = 1000  # steps of a recorded episode in D4RL's and OGBench's sets, and its final row
EPISODES_PER_SHARD = 10
_REWARDS = (0.0, 1.0)


def _generate(
    maze: AntMaze, kind: str, ends: bool, rare: bool, steps: int, seed: int, threads: int, progress: Progress
) -> Episodes:
    """`play` goes to hand-picked cells from any other cell, `diverse` from any cell to any cell.

    Where it is rare, one goal of two hundred is the one that the data is judged by. D4RL collects with goals
    that it does not judge by, so that less than 5 % of the rows belong to a success (RankQ, App. C).
    """
    runner, random = policy.load("ant"), np.random.default_rng(seed)
    cells = free_cells(maze.map)
    goals = cells
    if kind == "play":
        goals = np.array([centre(maze.map, cell) for cell in maze.play_goals])
    starts = cells if kind == "diverse" else np.array([c for c in cells if not (c == goals).all(1).any()])
    evaluated = (goals == centre(maze.map, maze.goal_cell)).all(axis=1)
    goals = np.where(evaluated[:, None], ant_maze.goal(maze), goals)
    offset = np.where(evaluated, EVALUATION_NOISE, GOAL_NOISE)
    weights = np.where(evaluated, RARE, (1.0 - RARE) / np.count_nonzero(~evaluated)) if rare else None

    def behaviour(rows: int, elapsed: np.ndarray) -> Act:
        navigator = Navigator(
            grid(cells, maze.map.cell_size),
            rows,
            random,
            radius=REACHED,
            offset=offset,
            goals=goals,
            weights=weights,
            linger=LINGER[kind],
        )

        def act(observation: np.ndarray, t: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
            if not elapsed.all():
                navigator.restart(elapsed == 0)
            way = navigator.waypoint(observation[:, :2]) - observation[:, :2]
            direction = way / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-6)
            mode = runner(ant.commanded(observation, direction))
            action = np.clip(mode + random.normal(0.0, ACTION_NOISE, mode.shape), -1.0, 1.0)
            return action.astype(np.float32), {"desired_goal": navigator.goal}

        return act

    target = ant_maze.goal(maze)
    simulation = ant_maze.simulate(maze, terminates=ends, starts=starts, target=target)
    return scripted(simulation, behaviour, steps, seed, threads, progress, {"desired_goal": (2,)})


def drift(observation: np.ndarray, following: np.ndarray, action: np.ndarray) -> np.ndarray:
    """`[n, 29], [n, 29], [n, 8] -> [n]` metres between the way made and that of both velocities' mean."""
    moved = following[:, :2] - observation[:, :2]
    expected = 0.5 * STEP * (observation[:, 15:17] + following[:, 15:17])
    distance: np.ndarray = np.linalg.norm(moved - expected, axis=1)
    return distance


def task(size: str, kind: str) -> Task:
    """`antmaze-SIZE-KIND`, judged and evaluated as in D4RL: rewards 0 and 1, by default 10 r - 5."""
    maze = ANT_MAZES[size]
    target = ant_maze.goal(maze)

    def generator(ends: bool, algorithm: str, rare: bool = False) -> Generator:
        return Generator(
            steps=STEPS,
            shard_steps=EPISODES_PER_SHARD * maze.horizon,
            make=lambda *arguments: _generate(maze, kind, ends, rare, *arguments),
            algorithm=algorithm,
            env_specs=None,
        )

    about = f"a trained ant led from cell to cell by breadth-first search, action noise {ACTION_NOISE}"
    generators = {
        "waypoints": generator(False, about),
        "waypoints-ending": generator(True, f"{about}; episodes end at the evaluation goal"),
        "waypoints-rare": generator(False, f"{about}; one goal in {1 / RARE:.0f} is the evaluation's", True),
    }
    return Task(
        name=f"antmaze-{size}-{kind}",
        domain="antmaze",
        environment=lambda rows, threads: batch_env(ant_maze.simulate(maze), rows, threads),
        transform=RewardTransform(scale=10.0, bias=-5.0, failure=_REWARDS[0]),
        success=lambda observation: ant_maze.near(observation, target),
        rewards=_REWARDS,
        generators=generators if policy.exists("ant") else {},
        scene=Scene(maze.map, target, ant_maze.SUCCESS_RADIUS, max_step=2.0),
        unending=lambda rows, threads: batch_env(ant_maze.simulate(maze, terminates=False), rows, threads),
        limits=(StepLimit(drift, DRIFT, "the position differs from what its velocity makes by", " m"),),
        longest=max(maze.horizon, LONGEST) + 1,
    )


TASKS = [task(size, kind) for size in ANT_MAZES for kind in ("play", "diverse")]
