"""Environment steps per second: bare batched physics, our environments, and gymnasium's vector environments.

python -m benchmarks.envs --threads=2 --rows=32
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import SyncVectorEnv
from mujoco.batch import Batch

from benchmarks import report
from rankq_jax.envs import adroit, ant, ant_maze, point_maze, robotics
from rankq_jax.envs.adroit import Hand
from rankq_jax.envs.batch import Simulation, batch_env
from rankq_jax.envs.streams import streams

COLUMNS = (
    "environment",
    "rows",
    "steps",
    "bare batch",
    "ours",
    "SyncVectorEnv",
    "ours / bare",
    "ours / Sync",
)
WORK = 1_600  # steps of all rows in a round; a fraction of a second for the slower environments
POINT_FACTOR = 8  # a step of the point is so short that more rows at once pay


class Case(NamedTuple):
    """One line of the table.

    Attributes:
      name: of the environment.
      rows: environments at once.
      steps: of each row in a round.
      simulation: our task.
      native: the gymnasium environment with the same physics.
    """

    name: str
    rows: int
    steps: int
    simulation: Callable[[], Simulation]
    native: Callable[[], EnvSpec]


class Rates(NamedTuple):
    """Environment steps per second of all rows together; `[rounds]` each, measured in turn.

    Attributes:
      bare: `mujoco.batch.Batch` with the controls of the same actions.
      ours: `rankq_jax.envs.batch.batch_env`.
      native: `gymnasium.vector.SyncVectorEnv`.
    """

    bare: np.ndarray
    ours: np.ndarray
    native: np.ndarray


def ant_spec(maze: ant_maze.AntMaze) -> EnvSpec:
    """The gymnasium environment of an ant maze, with our ant and its start and goal cells."""
    cells: list[list[int | str]] = [list(row) for row in maze.map.cells]
    for (row, column), mark in ((ant_maze.START, "r"), (maze.goal_cell, "g")):
        cells[row][column] = mark
    return robotics.env_spec(
        "AntMaze_Medium-v5",
        maze_map=cells[::-1],
        continuing_task=False,
        include_cfrc_ext_in_observation=False,
        xml_file=str(ant.MODEL),
    )


def cases(rows: int) -> list[Case]:
    """The lines of the table; `rows` environments at once, of points also more."""
    maze, large = point_maze.POINT_MAZES["pointmaze-umaze"], ant_maze.ANT_MAZES["medium"]
    steps = max(1, WORK // rows)

    def point(factor: int) -> Case:
        return Case(
            "point maze (umaze)",
            rows * factor,
            # Ten times the work of the others, for the same time.
            max(1, 10 * steps // factor),
            lambda: point_maze.simulate(maze),
            lambda: point_maze.env_specs(maze)[1],
        )

    def hand(name: str, task: Hand) -> Case:
        return Case(name, rows, steps, lambda: adroit.simulate(task), lambda: adroit.env_specs(task)[0])

    return [
        point(1),
        point(POINT_FACTOR),
        Case("ant maze (medium)", rows, steps, lambda: ant_maze.simulate(large), lambda: ant_spec(large)),
        *(hand(name, task) for name, task in adroit.HANDS.items()),
    ]


def measure(case: Case, threads: int, rounds: int) -> Rates:
    """Steps the three kinds in turn, round after round, from resets and with the same actions.

    Args:
      case: what to step.
      threads: of the physics; the vector environment has one.
      rounds: measurements of each kind.
    """
    simulation = case.simulation()
    env = batch_env(simulation, case.rows, threads)
    batch = Batch(simulation.model, case.rows, threads)
    control: np.ndarray = batch.bind("ctrl")
    spec = case.native()
    native = SyncVectorEnv([lambda: gymnasium.make(spec, disable_env_checker=True)] * case.rows)
    active = np.ones(case.rows, bool)
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (case.steps, case.rows, env.action_size))
    actions = actions.astype(np.float32)
    controls = actions if simulation.control is None else [simulation.control(a) for a in actions]

    def bare(start: int) -> float:
        batch.state[:] = env.reset(streams(start, case.rows)).simulator
        begin = time.perf_counter()
        for row_controls in controls:
            control[:] = row_controls
            batch.step(nstep=simulation.substeps)
        return time.perf_counter() - begin

    def ours(start: int) -> float:
        state = env.reset(streams(start, case.rows))
        begin = time.perf_counter()
        for action in actions:
            state, _ = env.step(state, action, active)
        return time.perf_counter() - begin

    def plain(start: int) -> float:
        native.reset(seed=start)
        begin = time.perf_counter()
        for action in actions:
            native.step(action)
        return time.perf_counter() - begin

    for step in (bare, ours, plain):  # the first round of each warms caches and threads
        step(rounds)
    seconds = np.array([[step(start) for step in (bare, ours, plain)] for start in range(rounds)])
    native.close()
    return Rates(*(case.rows * case.steps / seconds.T))


def line(case: Case, rates: Rates) -> str:
    """A row of the table: medians of the rates, and of the quotients of each round."""
    cells = [f"{np.median(rate):,.0f}" for rate in rates]
    cells += [f"{np.median(rates.ours / other):.2f}" for other in (rates.bare, rates.native)]
    return f"| {case.name} | {case.rows} | {case.steps} | {' | '.join(cells)} |"


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = report.parser("envs", "Environment steps per second, as a Markdown table.", rounds=9)
    parser.add_argument("--threads", type=int, default=2, help="of the physics")
    parser.add_argument("--rows", type=int, default=32, help="environments at once")
    arguments = report.parsed(parser, argv)
    print(report.heading(arguments))
    print(f"Environment steps per second of all rows together, {arguments.threads} threads.\n")
    print(report.header(COLUMNS))
    results = []
    for case in cases(arguments.rows):
        rates = measure(case, arguments.threads, arguments.rounds)
        print(line(case, rates), flush=True)
        results.append({"name": case.name, "rows": case.rows, "steps": case.steps, **rates._asdict()})
    report.write("envs", arguments, results)


if __name__ == "__main__":
    main()
