"""What an inspection of a dataset finds: every rule judged, and the numbers that describe the data."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rankq_jax import files
from rankq_jax.analysis import datasets as measures
from rankq_jax.data import rules
from rankq_jax.data.episodes import concatenate, lengths
from rankq_jax.data.prepare import RewardTransform
from rankq_jax.data.rules import Finding, Labeled, Recorded, Rule
from rankq_jax.data.rules.recording import SATURATED
from rankq_jax.data.validate import OF_LABELS
from rankq_jax.envs.rollout import collect, opened, recorder
from rankq_jax.envs.streams import streams
from rankq_jax.errors import InputError
from rankq_jax.tasks import Task
from rankq_jax.tasks.training_data import label_source, prepared
from rankq_jax.types import Episodes

USUAL_SUCCESS = {"antmaze": (0.005, 0.10)}  # share of the recorded steps, by domain
# Rules that are judged elsewhere: here they have a name and a sentence only.
LENGTHS, RANDOM_POLICY, IMITATION = (
    Rule(name, demand, lambda found: found, fatal=False)
    for name, demand in (
        ("lengths", "The columns of an episode have matching lengths; Minari has one more observation."),
        ("random_policy", "Uniformly random actions never succeed."),
        ("imitation", "Behavior cloning of AntMaze play data succeeds in 0 to 5 %."),
    )
)
QUANTILES = (0.01, 0.5, 0.99)  # of actions
NOT_RUN = Finding(None, "not judged; --random-episodes=20 runs it")


class Judged(NamedTuple):
    """A rule, what it found in a source, and the message of a broken one, else an empty one."""

    source: str
    rule: Rule
    finding: Finding
    message: str

    @property
    def verdict(self) -> str:
        """The verdict in a word, `-` where there is none."""
        if self.finding.ok is None:
            return "-"
        return "ok" if self.finding.ok else "broken" if self.rule.fatal else "unusual"


class Numbers(NamedTuple):
    """How the numbers of a dataset are made comparable.

    Attributes:
      bins: per dimension, by which state-action pairs are told apart.
      reference: recording whose state-action pairs are the whole; None: no coverage is given.
      minimal: return of a minimal policy; None: unknown.
      best: return of the best policy; None: unknown.
    """

    bins: int
    reference: Episodes | None
    minimal: float | None
    best: float | None


def together(recorded: Sequence[tuple[str, Recorded]]) -> Episodes:
    """The episodes of all sources, one after another."""
    return concatenate([one.episodes for _, one in recorded])


def label_sources(
    task: Task,
    recorded: Sequence[tuple[str, Recorded]],
    reading: str,
    transform: RewardTransform,
    gamma: float,
) -> Labeled:
    """The sources together as training data, with the share of success that is usual in the task's domain.

    Raises:
      InputError: if the reading is unknown.
    """
    parts = [label_source(task, one, reading, source, needs_success=False)[0] for source, one in recorded]
    made = prepared(task, parts, reading, transform, gamma)
    if task.success is None or task.domain not in USUAL_SUCCESS:
        return made
    share = float(np.mean(task.success(together(recorded).next_observation)))
    return made._replace(success_share=(share, *USUAL_SUCCESS[task.domain]))


def random_policy(task: Task, episodes: int, seed: int) -> Finding:
    """What uniformly random actions reach."""
    env, random = task.environment(episodes, 0), np.random.default_rng(seed)

    def act(observation: np.ndarray, t: int) -> np.ndarray:
        return random.uniform(-1.0, 1.0, (episodes, env.action_size)).astype(np.float32)

    with opened(env):
        ended = collect(env, env.reset(streams(seed, episodes)), recorder(env), act, env.horizon, once=True)
    successes = sum(bool(episode.success.any()) for _, episode in ended.episodes)
    mean = np.mean([episode.reward.sum() for _, episode in ended.episodes])
    measured = f"{successes} of {episodes} episodes succeed, mean raw return {mean:.4g}"
    if task.success is None or not successes:
        return Finding(None if task.success is None else True, measured)
    return Finding(False, measured, "uniformly random actions reach the goal, so successes may be chance")


def _judged(source: str, rule: Rule, finding: Finding, episodes: Episodes, of: str = "") -> Judged:
    message = str(rules.refusal(source, rule, finding, episodes, of)) if finding.ok is False else ""
    return Judged(source, rule, finding, message)


def judge_recordings(recorded: Sequence[tuple[str, Recorded]]) -> list[Judged]:
    """The rules of a recording for each source, and the one that loading has checked."""
    judged = []
    for source, one in recorded:
        found = rules.findings(rules.RECORDING_RULES, one)
        judged += [_judged(source, *each, one.episodes) for each in found]
        judged.append(Judged(source, LENGTHS, Finding(True, "checked while loading"), ""))
    return judged


def judge_labels(dataset: str, data: Labeled) -> list[Judged]:
    """The rules of labeled data."""
    found = rules.findings(rules.LABEL_RULES, data)
    return [_judged(dataset, *each, data.episodes, OF_LABELS) for each in found]


def unreadable(judged: Sequence[Judged]) -> str:
    """The message of the first broken rule without which data cannot be labeled or described; else empty."""
    return next((one.message for one in judged if one.message and one.rule.basic), "")


def judge_policies(task: Task, random: Finding) -> list[Judged]:
    """What needs an environment or training: a random policy, if it was run, and imitation, which is not."""
    imitation = Finding(None, "not judged here: train with --config=bc:TASK")
    message = f"{task.name}: {random.problem} (rule {RANDOM_POLICY.name!r})." if random.problem else ""
    return [Judged(task.name, RANDOM_POLICY, random, message), Judged(task.name, IMITATION, imitation, "")]


def numbers(task: Task, recorded: Episodes, data: Labeled, how: Numbers) -> list[tuple[str, str]]:
    """What describes a dataset, as pairs of words and values.

    Raises:
      InputError: if the best return is not above the minimal one.
    """
    trajectories, solved = lengths(data.episodes), measures.successes(data.episodes)
    success, returns = data.prepared.extras["success"] > 0, data.prepared.extras["mc_return"]
    saturated = measures.saturated(recorded.action, SATURATED)
    reached = measures.returns(recorded)
    lines = [
        ("recorded episodes", f"{len(lengths(recorded))}, {len(recorded.reward)} transitions"),
        ("recorded lengths", _spread(lengths(recorded))),
        ("labeled trajectories", f"{len(trajectories)}, {len(success)} transitions"),
        ("labeled lengths", _spread(trajectories)),
    ]
    if task.success is not None:
        steps = task.success(recorded.next_observation)
        reached = measures.successes(recorded._replace(success=steps)).astype(np.float64)
        lines += [
            ("recorded steps that reach the goal", _share(steps)),
            ("recorded episodes that reach the goal", _share(reached)),
            ("successful trajectories", _share(solved)),
            ("transitions of successful trajectories", _share(success)),
            ("transitions that are a success", _share(data.episodes.success)),
        ]
    else:
        lines += [("raw return of an episode", f"{_spread(reached)}, mean {reached.mean():.4g}")]
        lines += [("successful trajectories", _share(solved))] if task.tells_success else []
        if task.sparse:
            paid = recorded.reward == task.rewards[1]
            reached = measures.successes(recorded._replace(success=paid)).astype(np.float64)
    most = f"at most {100 * saturated.max():.2f} % in dimension {int(saturated.argmax())}"
    lines += [
        ("reward", _spread(data.prepared.reward)),
        ("return-to-go, success", _spread(returns[success])),
        ("return-to-go, failure", _spread(returns[~success])),
        *_quantiles(recorded.action),
        (f"saturated actions (|a| > {SATURATED:g})", f"{100 * saturated.mean():.2f} %, {most}"),
    ]
    if task.scene is not None:
        visited, free = measures.visited_cells(task.scene.map, recorded.observation[:, :2])
        lines.append(("visited free cells", f"{visited} of {free}"))
    return [*lines, ("trajectory quality (TQ)", _quality(task, reached, how)), *_pairs(recorded, how)]


def _quality(task: Task, returns: np.ndarray, how: Numbers) -> str:
    """TQ; in a sparse task an episode that reaches the goal returns 1, any other 0."""
    usual = (0.0, 1.0) if task.sparse else (None, None)
    minimal = usual[0] if how.minimal is None else how.minimal
    best = usual[1] if how.best is None else how.best
    if minimal is None or best is None:
        return "needs --minimal-return and --best-return"
    if not best > minimal:
        raise InputError(f"--best-return={best:g} must exceed --minimal-return={minimal:g}.")
    quality = measures.trajectory_quality(float(returns.mean()), minimal, best)
    return f"{quality:.4f} (mean return {returns.mean():.4g}, from {minimal:g} to {best:g})"


def _pairs(recorded: Episodes, how: Numbers) -> list[tuple[str, str]]:
    if not isinstance(recorded.observation, np.ndarray) or recorded.observation.ndim != 2:
        return [("state-action coverage (SACo)", "needs observations that are vectors")]
    ruler = recorded if how.reference is None else how.reference
    bins = measures.bins_of(ruler.observation, how.bins)
    pairs = measures.distinct_pairs(recorded.observation, recorded.action, bins)
    share = pairs / len(recorded.reward)
    coverage = "needs --reference"
    if how.reference is not None:
        whole = measures.distinct_pairs(ruler.observation, ruler.action, bins)
        coverage = f"{pairs / whole:.4f} of the {whole} pairs of the reference"
    return [
        (f"distinct state-action pairs ({how.bins} bins)", f"{pairs}, {share:.4f} of the transitions"),
        ("state-action coverage (SACo)", coverage),
    ]


def _quantiles(action: np.ndarray) -> list[tuple[str, str]]:
    """Quantiles of each dimension, which show where actions have no effect or always saturate."""
    rows = [(share, np.quantile(action, share, axis=0)) for share in QUANTILES if len(action)]
    return [(f"action quantile {100 * share:g} %", ", ".join(f"{x:.2g}" for x in row)) for share, row in rows]


def _share(flags: np.ndarray) -> str:
    count = int(np.count_nonzero(flags))
    return f"{100 * count / max(len(flags), 1):.3g} % ({count} of {len(flags)})"


def _spread(values: np.ndarray) -> str:
    if not len(values):
        return "none"
    low, middle, high = (f"{x:.6g}" for x in (values.min(), np.median(values), values.max()))
    return f"{low} to {high}, median {middle}"


def write(path: Path, content: bytes) -> None:
    """Writes a picture or a page in one move, and says so.

    Raises:
      InputError: if it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, content)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}).") from error
    print(f"written: {path}")
