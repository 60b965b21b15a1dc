"""What a task is: an environment, how it is judged, and the data that the project makes for it."""

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from gymnasium.envs.registration import EnvSpec

from rankq_jax.data.prepare import RewardTransform
from rankq_jax.data.rules import StepLimit
from rankq_jax.environments import BatchEnv
from rankq_jax.envs.maze_map import MazeMap
from rankq_jax.specs import ActionSpec, TaskSpec
from rankq_jax.types import Episodes

Progress = Callable[[int], Any]  # told the number of environment steps just taken


class Generator(NamedTuple):
    """How a task's own dataset is made: in shards, each a function of its seed alone.

    Attributes:
      steps: transitions by default.
      shard_steps: transitions of a shard, whole episodes.
      make: `(steps, seed, threads, progress) -> Episodes` of one shard, at least `steps` transitions.
      algorithm: what acted, in the dataset's metadata.
      env_specs: the gymnasium environments to store with it, for collecting and for evaluating; None where
        gymnasium has none with the same observations.
    """

    steps: int
    shard_steps: int
    make: Callable[[int, int, int, Progress], Episodes]
    algorithm: str
    env_specs: Callable[[], tuple[EnvSpec, EnvSpec]] | None


class Chunk(NamedTuple):
    """An action that is several control steps of an arm, one after another.

    Attributes:
      steps: of an action.
      held: numbers of a control step that keep their value where the arm rests; the others are 0 there.
      every: after the first chunk of a recording, how many steps lie between the chunks that are kept.
      waypoint: the array of the observation whose value where the next change of a held number happens is
        kept too; empty: none.
    """

    steps: int
    held: tuple[int, ...] = ()
    every: int = 1
    waypoint: str = ""


class Scene(NamedTuple):
    """A maze as pictures and checks need it.

    Attributes:
      map: cells and where they lie; the first two entries of an observation are a position in it.
      goal: `[2]`, in metres.
      radius: of success, in metres.
      max_step: metres that a step can make at most.
    """

    map: MazeMap
    goal: np.ndarray
    radius: float
    max_step: float


@functools.cache
def _spec(environment: Callable[[int, int], BatchEnv]) -> TaskSpec:
    env = environment(1, 1)
    if env.close is not None:
        env.close()
    return env.spec


class Task(NamedTuple):
    """Everything that differs between tasks; the loop and the agents know none of it.

    Attributes:
      name: as in the registry.
      domain: of its hyper-parameters, e.g. `pointmaze`.
      environment: `(rows, threads) -> BatchEnv`, as it is trained and evaluated in.
      transform: default reward transform, of offline and online data alike.
      success: `observation [T, O] -> [T]` bool, for labeling recorded data; None where its rewards are taken
        as recorded, as dense ones are.
      rewards: raw reward of a failing and of a successful step.
      generators: ways of making its dataset, by name, the first by default; empty if it has none of its own.
      scene: the maze, or None.
      unending: as `environment`, but a success ends no episode; None where that cannot be had.
      limits: what no step does, by which a reset inside an episode of a dataset is noticed.
      longest: steps of the longest episode that a dataset can have; None: one more than the time limit,
        because some recorders count the final observation.
      reference: the returns that a normalized score of 0 and of 100 stand for; None if nobody has published
        any.
      reference_of: who published them, e.g. `D4RL`.
      exact: whether a run that is resumed is the same bit for bit, see `BatchEnv.exact`.
      tells_success: whether environments say what a success is though recorded rewards are dense.
      drawn: as `environment`, with `render`; None where `environment` has it or nothing draws the task.
      chunk: what an action is made of; its data is recorded by control steps. None: an action is one step.
      recorded: the dataset that is all there is of the task, which then has no environment to act in.
      world: what a recording tells of the world that it was made in, by name, so that one from another world
        is refused: numbers and words, as JSON has them.
      seconds: of a step, where `BatchEnv.info` has `lifted`, whether something was picked up in it, and
        `finished`, the share of it after which it succeeded first, or 0; 0 where it has not.
    """

    name: str
    domain: str
    environment: Callable[[int, int], BatchEnv]
    transform: RewardTransform
    success: Callable[[np.ndarray], np.ndarray] | None
    rewards: tuple[float, float]
    generators: Mapping[str, Generator] = MappingProxyType({})
    scene: Scene | None = None
    unending: Callable[[int, int], BatchEnv] | None = None
    limits: tuple[StepLimit, ...] = ()
    longest: int | None = None
    reference: tuple[float, float] | None = None
    reference_of: str = ""
    exact: bool = True
    tells_success: bool = False
    drawn: Callable[[int, int], BatchEnv] | None = None
    recorded: str = ""
    seconds: float = 0.0
    chunk: Chunk | None = None
    world: Mapping[str, Any] = MappingProxyType({})

    @property
    def spec(self) -> TaskSpec:
        """Sizes and horizon; one environment is built on the first call, and none later."""
        return _spec(self.environment)

    @property
    def recorded_spec(self) -> TaskSpec:
        """What recorded data looks like: as `spec`, with an action for each control step of a chunk."""
        spec = self.spec
        if self.chunk is None:
            return spec
        size = spec.action_size // self.chunk.steps
        action = ActionSpec((size,), spec.action.low[:size], spec.action.high[:size])
        return TaskSpec(spec.observation, action, spec.horizon * self.chunk.steps)

    @property
    def sparse(self) -> bool:
        """Whether the raw reward of a step is one of `rewards`."""
        return self.transform.failure is not None

    @property
    def judged_by_success(self) -> bool:
        """Whether its episodes succeed or fail."""
        return self.success is not None or self.tells_success

    @property
    def measures(self) -> tuple["Measure", ...]:
        """What its episodes are measured by; the first is the score, which it is judged by."""
        return tuple(measure for measure in MEASURES if measure.applies(self))

    def measure(self, episode: Episodes) -> dict[str, Any]:
        """`{name: number}` of one episode, for each of its measures."""
        return {measure.name: measure.of(self, episode) for measure in self.measures}

    def means(self, metrics: Mapping[str, np.ndarray], seed: int) -> dict[str, float]:
        """`{name of the mean: mean over the episodes}` of the seed at that index; `metrics` are `[S, n]`."""
        return {measure.mean: float(metrics[measure.name][seed].mean()) for measure in self.measures}


class Measure(NamedTuple):
    """What an evaluation episode is measured by; an evaluation reports the mean over its episodes.

    Attributes:
      name: in a record of an episode, in events and in the heads of tables.
      mean: what the mean is called, in summaries.
      quantity: the mean in words, with its unit.
      of: `(task, episode) -> number`.
      applies: whether the episodes of a task have it.
      digits: behind the point, as it is shown.
      unit: as it is shown; a share is shown in `%`.
      higher_is_better: whether the best checkpoint is the one with the highest mean.
    """

    name: str
    mean: str
    quantity: str
    of: Callable[[Task, Episodes], Any]
    applies: Callable[[Task], bool] = lambda task: True
    digits: int = 1
    unit: str = ""
    higher_is_better: bool = True

    @property
    def words(self) -> str:
        """The name in heads of tables."""
        return self.name.replace("_", " ")

    @property
    def head(self) -> str:
        """The name in heads of tables, with its unit."""
        return f"{self.words} ({self.unit})" if self.unit else self.words

    @property
    def scale(self) -> int:
        """What a number is multiplied by where it is shown."""
        return 100 if self.unit == "%" else 1

    @property
    def sign(self) -> int:
        """1 if higher is better, else -1."""
        return 1 if self.higher_is_better else -1


def _normalized(task: Task, episode: Episodes) -> float:
    """The return on the scale of the task's reference, which D4RL defines (arXiv 2004.07219)."""
    assert task.reference is not None
    low, high = task.reference
    return float(100 * (episode.reward.sum() - low) / (high - low))


def _time_to_finish(task: Task, episode: Episodes) -> float:
    """Seconds until the first success; all of the time limit where there is none."""
    finished = episode.info["finished"]
    steps = np.flatnonzero(finished)
    return task.seconds * float(steps[0] + finished[steps[0]] if len(steps) else task.spec.horizon)


# Everything that an evaluation reports. Records, summaries, tables, pages and the best checkpoint follow.
# The first one that a task has is its score.
MEASURES = (
    Measure("success", "success_rate", "success rate", lambda task, episode: episode.success.any(),
            lambda task: task.judged_by_success, unit="%"),
    Measure("normalized_score", "normalized_score", "normalized score", _normalized,
            lambda task: task.reference is not None),
    Measure("return", "return", "return (raw reward)", lambda task, episode: episode.reward.sum()),
    Measure("length", "episode_length", "episode length (steps)", lambda task, episode: len(episode.reward),
            digits=0, unit="steps", higher_is_better=False),
    Measure("partial_success", "partial_success_rate", "partial success rate",
            lambda task, episode: episode.info["lifted"].any(), lambda task: task.seconds > 0, unit="%"),
    Measure("time_to_finish", "time_to_finish", "time to finish (s)", _time_to_finish,
            lambda task: task.seconds > 0, unit="s", higher_is_better=False),
    Measure("success_at_end", "success_at_end_rate", "success rate at the end of an episode",
            lambda task, episode: episode.success[-1], lambda task: task.seconds > 0, unit="%"),
)  # fmt: skip
