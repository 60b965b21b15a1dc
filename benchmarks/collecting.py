"""Collecting without updates against the bare physics of the same steps, and where the difference goes.

python -m benchmarks.collecting --rows=4,16,64 --threads=2
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np
from mujoco.batch import Batch

from benchmarks import report, work
from rankq_jax import configs, loop, tasks
from rankq_jax.envs import ant_maze, point_maze, rollout
from rankq_jax.envs.batch import Simulation
from rankq_jax.envs.physics import useful_threads
from rankq_jax.envs.streams import streams
from rankq_jax.evaluation import for_all_rows
from rankq_jax.lifting import jit_act
from rankq_jax.training import build, devices

SIMULATIONS: dict[str, Callable[[], Simulation]] = {
    "antmaze-medium-play": lambda: ant_maze.simulate(ant_maze.ANT_MAZES["medium"]),
    "pointmaze-umaze": lambda: point_maze.simulate(point_maze.POINT_MAZES["pointmaze-umaze"]),
}
# Collecting may take so many times the time of the bare physics.
TARGETS = {"antmaze-medium-play": 1.5, "pointmaze-umaze": 2.0}
COLUMNS = (
    "task",
    "rows",
    "bare steps/s",
    "collected steps/s",
    "time over bare",
    "target",
    "policy",
    "environment",
    "rest",
)
SECONDS = 0.4  # of a measurement, about


class Figures(NamedTuple):
    """One line of the table; `[rounds]` seconds of one step of all rows each, measured by turns.

    Attributes:
      task: name.
      rows: environments at once, of one seed.
      bare: `mujoco.batch.Batch` with the controls of the same actions, without resets.
      collecting: as a run collects, with a policy of two layers of 256.
      policy: the policy alone, on the same observations.
      environment: the environments alone, with the same actions.
    """

    task: str
    rows: int
    bare: np.ndarray
    collecting: np.ndarray
    policy: np.ndarray
    environment: np.ndarray


def exploring(task: str, rows: int) -> rollout.Act:
    """The exploring policy of RankQ with its first parameters, as a run calls it."""
    config = configs.arm("rankq", task)
    config.train_envs = config.online.env_steps_per_iteration = rows
    config.online.env_steps = rows
    parsed = configs.parse(config)
    built = build.experiment(parsed, jax.local_devices()[:1])
    probe = built.task.environment(1, 1)
    place = build.world(parsed, built, work.dataset(100, probe.observation_size, probe.action_size))
    state = loop.initial(built.plan, place, built.layout)
    agent = built.plan[-1].agent
    acting = devices.devices_of(parsed).acting or jax.local_devices()[0]
    params, keys = jax.device_put((agent.params(state.agent), jax.random.split(jax.random.key(0), 1)), acting)
    return for_all_rows(jit_act(agent.act), params, keys, 1)


def measure(task: str, rows: int, threads: int, rounds: int) -> Figures:
    """All by turns, from the same starts and with the same actions."""
    simulation, env, act = (
        SIMULATIONS[task](),
        tasks.find(task).environment(rows, threads),
        exploring(task, rows),
    )
    batch = Batch(
        simulation.model, rows, useful_threads(simulation.model, rows, simulation.substeps, threads)
    )
    control: np.ndarray = batch.bind("ctrl")
    start = env.reset(streams(0, rows))
    active = np.ones(rows, bool)
    seen: list[np.ndarray] = []
    done: list[np.ndarray] = []

    def remembered(observation: np.ndarray, t: int) -> np.ndarray:
        seen.append(observation)
        done.append(act(observation, t))
        return done[-1]

    record = rollout.recorder(env).steps  # once, as in a run

    def collecting(steps: int, policy: rollout.Act = act) -> None:
        rollout.collect(env, start, rollout.Recorder(record, np.zeros(rows, np.int64)), policy, steps)

    collecting(10)
    begin = time.perf_counter()
    collecting(50)
    steps = min(int(SECONDS * 50 / (time.perf_counter() - begin)) + 1, env.horizon - 1)
    collecting(steps, remembered)
    controls = done if simulation.control is None else [simulation.control(a) for a in done]

    def bare() -> None:
        batch.state[:] = start.simulator
        for row_controls in controls:
            control[:] = row_controls
            batch.step(nstep=simulation.substeps)

    def policy() -> None:
        for t, observation in enumerate(seen):
            act(observation, t)

    def environment() -> None:
        state = start
        for action in done:
            state, _ = env.step(state, action, active)

    def seconds(run: Callable[[], None]) -> float:
        begin = time.perf_counter()
        run()
        return (time.perf_counter() - begin) / steps

    runs = (bare, lambda: collecting(steps), policy, environment)
    for run in runs:
        run()
    found = np.array([[seconds(run) for run in runs] for _ in range(rounds)]).T
    return Figures(task, rows, *found)


def line(figures: Figures) -> str:
    """A row of the table; parts in microseconds of a step of all rows."""
    rest = figures.collecting - figures.policy - figures.environment
    rates = [f"{np.median(figures.rows / each):,.0f}" for each in (figures.bare, figures.collecting)]
    parts = [f"{1e6 * np.median(each):,.0f}" for each in (figures.policy, figures.environment, rest)]
    ratio = report.spread(figures.collecting / figures.bare)
    return report.row([figures.task, figures.rows, *rates, ratio, TARGETS[figures.task], *parts])


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = report.parser("collecting", "Collecting against bare physics, as a Markdown table.", rounds=9)
    parser.add_argument(
        "--rows",
        type=report.numbers,
        default=(4, 16, 64),
        help="environments at once, with commas between",
    )
    parser.add_argument("--threads", type=int, default=2, help="of the physics")
    arguments = report.parsed(parser, argv)
    print(report.heading(arguments))
    print("The last three columns are microseconds of a step of all rows.\n")
    print(report.header(COLUMNS))
    results = []
    for task in SIMULATIONS:
        for rows in arguments.rows:
            results.append(measure(task, rows, arguments.threads, arguments.rounds))
            print(line(results[-1]), flush=True)
    report.write("collecting", arguments, [figures._asdict() for figures in results])


if __name__ == "__main__":
    main()
