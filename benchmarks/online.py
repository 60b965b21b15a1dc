"""The online loop as a whole: collecting and updating one after the other, and overlapped.

python -m benchmarks.online --tasks=pointmaze-umaze,antmaze-medium-play
"""

import math
import time
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from benchmarks import report, targets, work
from benchmarks.operations import NEEDED
from rankq_jax import configs, loop, tasks
from rankq_jax.phases import Phase
from rankq_jax.timing import Stopwatch
from rankq_jax.training import build
from rankq_jax.training.build import Experiment
from rankq_jax.training.devices import spare

ORDERS = ("sequential", "overlapped")
SECTIONS = ("collect", "update", "rest", "compile")
COLUMNS = (
    "task", "order", "env steps/s", "updates/s", *(f"{name} s" for name in SECTIONS), "of sequential"
)  # fmt: skip


class Setting(NamedTuple):
    """What is run, and how long.

    Attributes:
      algorithm: name of a configuration.
      environments: of the one seed.
      threads: of the environments.
      updates: per round, in one dispatch.
      data_rows: of the random dataset.
      measured: rounds of a run that are measured.
      turns: runs of each order.
    """

    algorithm: str = "rankq"
    environments: int = 4
    threads: int = 2
    updates: int = 50
    data_rows: int = 20_000
    measured: int = 3
    turns: int = 3


class Figures(NamedTuple):
    """Both orders of one task.

    Attributes:
      task: name.
      steps: environment steps in the measured rounds of a run, all environments together.
      updates: in the same rounds.
      seconds: by order, `[turns]` wall time of these rounds without compilation.
      sections: by order and section, medians over the turns, in seconds; `collect` and `update` are what the
        loop spends there, so that overlapped updates count only as far as they are waited for.
    """

    task: str
    steps: int
    updates: int
    seconds: dict[str, np.ndarray]
    sections: dict[str, dict[str, float]]


def configured(task: str, setting: Setting) -> Experiment:
    """The library's own online phase of the task."""
    return build.experiment(_config(task, setting))


def _config(task: str, setting: Setting) -> configs.RunConfig:
    config = configs.arm(setting.algorithm, task)
    config.train_envs, config.evaluation_episodes = setting.environments, 1
    config.threads = setting.threads
    config.online.overlap = True  # for a device that policies act on while the others update
    config.offline.updates, config.replay_capacity = 0, 100_000
    config.online.env_steps = 100_000 * setting.environments
    config.online.env_steps_per_iteration = setting.environments
    config.online.updates_per_dispatch = setting.updates
    return configs.parse(config)


def world(task: str, setting: Setting, built: Experiment) -> loop.Setup:
    """Environments, and random data of the right shapes: only speed counts."""
    probe = tasks.find(task).environment(1, 1)
    data = work.dataset(setting.data_rows, probe.observation_size, probe.action_size)
    return build.world(_config(task, setting), built, data)


def rounds(phase: Phase, built: Experiment, place: loop.Setup) -> list[dict[str, float]]:
    """Runs the phase; the clock and the sections of the stopwatch, in seconds, after each of its rounds."""
    marks: list[dict[str, float]] = []
    with Stopwatch() as stopwatch:
        state = loop.initial((phase,), place, built.layout)
        for event in loop.events((phase,), place, built.layout, state, stopwatch):
            if isinstance(event, loop.Updated):
                marks.append({**stopwatch.seconds, "clock": time.perf_counter()})
    return marks


def between(marks: Sequence[dict[str, float]], first: int) -> dict[str, float]:
    """Seconds of each section, and of all (`wall`, without compilation), in the rounds from `first` on."""
    passed = {name: marks[-1][name] - marks[first - 1].get(name, 0.0) for name in marks[-1]}
    compiling = passed.get("compile", 0.0)
    wall = passed["clock"] - compiling
    rest = wall - passed["collect"] - passed["update"]
    return {
        "wall": wall, "collect": passed["collect"], "update": passed["update"], "rest": rest,
        "compile": compiling,
    }  # fmt: skip


def measure(task: str, setting: Setting) -> Figures:
    """Both orders by turns, with as many steps in a round as take about the time of its updates."""
    built = configured(task, setting)
    place = world(task, setting, built)
    (phase,) = built.plan
    phase = phase._replace(
        iterations=3, collect=50, updates=setting.updates, updates_per_step=0.0, warmup=0, evaluate_every=0,
        checkpoint_every=0, mixing_ratio=lambda env_steps: 0.5, overlap=False,
    )  # fmt: skip
    trial = between(rounds(phase, built, place), 2)
    collect = max(1, round(50 * trial["update"] / trial["collect"]))
    # Until every environment has ended an episode: what becomes of episodes is then compiled.
    warm = 1 + math.ceil(place.env.horizon / collect)
    phase = phase._replace(iterations=warm + setting.measured, collect=collect)
    found: dict[str, list[dict[str, float]]] = {order: [] for order in ORDERS}
    for _ in range(setting.turns):
        for order in ORDERS:
            marks = rounds(phase._replace(overlap=order == "overlapped"), built, place)
            found[order].append(between(marks, warm))
    return Figures(
        task=task,
        steps=setting.measured * collect * setting.environments,
        updates=setting.measured * setting.updates,
        seconds={order: np.array([one["wall"] for one in found[order]]) for order in ORDERS},
        sections={
            order: {name: float(np.median([one[name] for one in found[order]])) for name in SECTIONS}
            for order in ORDERS
        },
    )


def lines(figures: Figures) -> list[str]:
    """Two rows of the table."""
    result = []
    for order in ORDERS:
        wall = figures.seconds[order]
        cells = (
            figures.task, order, f"{np.median(figures.steps / wall):,.0f}",
            f"{np.median(figures.updates / wall):,.0f}",
            *(f"{figures.sections[order][name]:.2f}" for name in SECTIONS),
            report.spread(wall / figures.seconds["sequential"]),
        )  # fmt: skip
        result.append(report.row(cells))
    return result


def judged(figures: Figures, bounds: targets.Targets) -> str:
    """What overlapping brought, against the target."""
    quotient = float(np.median(figures.seconds["overlapped"] / figures.seconds["sequential"]))
    return (
        f"{figures.task}: overlapped over sequential {quotient:.2f}, target at most {bounds.overlap}: "
        f"{report.against(quotient, bounds.overlap, at_most=True)}."
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    usual = Setting()
    parser = report.parser("online", "The online loop, as Markdown tables.", rounds=usual.turns)
    parser.add_argument(
        "--tasks",
        type=lambda text: tuple(text.split(",")),
        default=("pointmaze-umaze", "antmaze-medium-play"),
        help="names with commas between",
    )
    parser.add_argument("--algorithm", choices=tuple(NEEDED), default=usual.algorithm)
    parser.add_argument("--environments", type=int, default=usual.environments, help="of the one seed")
    parser.add_argument("--threads", type=int, default=usual.threads, help="of the environments")
    parser.add_argument("--updates", type=int, default=usual.updates, help="per round, in one dispatch")
    parser.add_argument("--rows", type=int, default=usual.data_rows, help="of the random dataset")
    parser.add_argument("--measured", type=int, default=usual.measured, help="rounds of a run that count")
    arguments = report.parsed(parser, argv)
    for task in arguments.tasks:
        if task not in tasks.TASKS:
            parser.error(f"--tasks: unknown {task!r}")
    setting = Setting(
        arguments.algorithm, arguments.environments, arguments.threads, arguments.updates, arguments.rows,
        arguments.measured, arguments.rounds,
    )  # fmt: skip
    spare(_config(arguments.tasks[0], setting))  # before the first use of a device
    print(report.heading(arguments))
    print(
        f"{setting.algorithm}, {setting.environments} environments, {setting.updates} updates in a round.\n"
    )
    print(report.header(COLUMNS), flush=True)
    results = []
    for task in arguments.tasks:
        results.append(measure(task, setting))
        print(*lines(results[-1]), sep="\n", flush=True)
    print("", *(judged(figures, targets.of_platform()) for figures in results), sep="\n")
    if jax.default_backend() == "cpu":
        print(
            "On CPU both compete for the same cores, unless each is kept to its own, as here on two cores: "
            "NPROC=1 python -m benchmarks.online --threads=1"
        )
    report.write("online", arguments, [figures._asdict() for figures in results])


if __name__ == "__main__":
    main()
