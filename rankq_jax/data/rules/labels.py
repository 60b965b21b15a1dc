"""Rules of labeled data: rewards, terminals and returns as a reading and `data.prepare` made them."""

from typing import NamedTuple

import numpy as np

from rankq_jax.data.episodes import last_rows, success_of_episode
from rankq_jax.data.prepare import RewardTransform
from rankq_jax.data.rules.rule import Finding, Rule
from rankq_jax.types import Episodes, Transition

DENSE = "the reward is dense"
AS_RECORDED = "the reward is sparse, and taken as recorded"
_ROUNDING = 2.0**-23  # of float32, in which the discount is stored


class Labeled(NamedTuple):
    """Labeled data and what it was made with.

    Attributes:
      episodes: as a reading labeled them.
      prepared: what `data.prepare.prepare` made of them.
      transform: of the raw rewards.
      gamma: discount per environment step.
      rewards: raw reward of a failing step and of a success; None where rewards are taken as recorded, for
        which only what does not ask for it is judged.
      terminates: whether every success is terminal; otherwise nothing is (the reading of RLPD).
      success_share: the share of the recorded steps that reach the task's goal, before anything is cut, and
        the lowest and highest that it usually is; None: not judged.
      unjudged: why rules that ask for `rewards` are not judged where there are none.
    """

    episodes: Episodes
    prepared: Transition
    transform: RewardTransform
    gamma: float
    rewards: tuple[float, float] | None
    terminates: bool = True
    success_share: tuple[float, float, float] | None = None
    unjudged: str = DENSE


def outcomes(episodes: Episodes) -> Finding:
    """Whether any of the labeled episodes succeeds."""
    last = last_rows(episodes)
    total, solved = int(last.sum()), int((success_of_episode(episodes) & last).sum())
    measured = f"{solved} of {total} trajectories succeed"
    if solved:
        return Finding(True, measured)
    return Finding(False, measured, f"field 'success': none of {total} episodes reaches the task's goal")


def _outcomes(labels: Labeled) -> Finding:
    return Finding(None, labels.unjudged) if labels.rewards is None else outcomes(labels.episodes)


def _two_rewards(labels: Labeled) -> Finding:
    if labels.rewards is None:
        return Finding(None, labels.unjudged)
    failing, succeeding = labels.rewards
    reward = labels.episodes.reward
    values = np.unique(reward)
    listed = ", ".join(f"{value:.6g}" for value in values[:4])
    measured = f"{len(values)} raw: {listed}{', ...' if len(values) > 4 else ''}"
    other = (reward != failing) & (reward != succeeding)
    if not other.any():
        return Finding(True, measured)
    row = int(np.argmax(other))
    problem = f"field 'reward' is {reward[row]:.6g} where the task has {failing:g} and {succeeding:g} alone,"
    return Finding(False, measured, problem, row)


def _terminals_are_successes(labels: Labeled) -> Finding:
    if labels.rewards is None:
        return Finding(None, labels.unjudged)
    terminal, success = labels.episodes.terminated, labels.episodes.reward == labels.rewards[1]
    measured = f"{int(terminal.sum())} terminals, {int(success.sum())} successes"
    bad = terminal != success if labels.terminates else terminal
    if not bad.any():
        return Finding(True, measured)
    row = int(np.argmax(bad))
    problem = "a terminal is no success" if terminal[row] else "a success is not terminal"
    if not labels.terminates:
        problem = "there is a terminal where the reading knows none,"
    return Finding(False, measured, problem, row)


def return_bounds(
    rewards: tuple[float, float], gamma: float, longest: int, terminates: bool
) -> tuple[float, float]:
    """Lowest and highest return-to-go of a successful trajectory.

    Where a success is terminal, and T failing steps precede it, the return is
    `w r_fail / (1 - gamma) + (1 - w) r_success` with `w = 1 - gamma^T`: it lies between the value of failing
    for ever and the reward of the success, whatever their signs. Where nothing is terminal it is a sum of
    at most `longest` discounted rewards.

    Args:
      rewards: transformed, of a failing step and of a success.
      gamma: discount per environment step.
      longest: steps of the longest trajectory.
      terminates: whether every success is terminal.
    """
    failing, succeeding = rewards
    if terminates:
        ends = [failing / (1.0 - gamma), succeeding]
    else:
        horizon = (1.0 - gamma**longest) / (1.0 - gamma)
        ends = [failing, succeeding, failing * horizon, succeeding * horizon]
    return min(ends), max(ends)


def _return_to_go(labels: Labeled) -> Finding:
    if labels.rewards is None:
        return Finding(None, labels.unjudged)
    returns, success = labels.prepared.extras["mc_return"], labels.prepared.extras["success"] > 0
    if not len(returns):
        return Finding(None, "no transitions")
    measured = f"{returns.min():.6g} to {returns.max():.6g}"
    reward = labels.transform(np.asarray(labels.rewards))
    pair, gamma = (float(reward[0]), float(reward[1])), labels.gamma
    never = pair[0] / (1.0 - gamma)
    low, high = return_bounds(pair, gamma, _longest(labels.episodes), labels.terminates)
    # gamma itself is rounded to float32, which moves a sum of rewards by up to this much.
    slack = max(abs(low), abs(high), abs(never)) * (1e-6 + _ROUNDING / (1.0 - gamma))
    problems = {
        f"in a failed episode is not {never:.6g}, the value of failing for ever,": (
            ~success & ~(np.abs(returns - never) <= 1e-6 * abs(never))
        ),
        f"is outside [{low:.6g}, {high:.6g}]": (
            success & ~((returns >= low - slack) & (returns <= high + slack))
        ),
    }
    if labels.terminates and pair[0] < pair[1] and never < pair[1]:
        problems[f"is {pair[1]:.6g}, that of a success, at another step,"] = (
            success & (returns >= reward[1]) & (labels.prepared.reward != reward[1])
        )
    rows = {problem: int(np.argmax(bad)) for problem, bad in problems.items() if bad.any()}
    if not rows:
        return Finding(True, measured)
    problem, row = min(rows.items(), key=lambda item: item[1])
    return Finding(False, measured, f"the return-to-go {returns[row]:.6g} {problem}", row)


def _longest(episodes: Episodes) -> int:
    return int(np.diff(np.flatnonzero(last_rows(episodes)), prepend=-1).max(initial=0))


def _success_share(labels: Labeled) -> Finding:
    if labels.success_share is None:
        return Finding(None, "nothing is usual in this domain")
    share, low, high = labels.success_share
    measured = f"{100 * share:.3g} % of the steps"
    usual = f"{100 * low:g} to {100 * high:g} %"
    if low <= share <= high:
        return Finding(True, measured)
    return Finding(False, measured, f"{measured} reach the goal, {usual} are usual in this domain,")


OUTCOMES = Rule(
    "outcomes",
    "Some trajectory reaches the task's goal.",
    _outcomes,
    "collect more data or choose another dataset",
)
RULES = (
    Rule(
        "two_rewards",
        "Every raw reward is that of a failing step or that of a success.",
        _two_rewards,
        "choose the dataset of this task, or a reading that labels it anew",
    ),
    Rule(
        "terminals_are_successes",
        "There are as many terminals as successes: a step is terminal if, and only if, it is one.",
        _terminals_are_successes,
        "choose a reading that labels it anew; a time limit is never a terminal",
    ),
    OUTCOMES,
    Rule(
        "return_to_go",
        "Failed episodes return just the value of failing for ever, others lie between it and a success.",
        _return_to_go,
        "transform rewards once, before returns, and end an episode where its data does",
    ),
    Rule(
        "success_share",
        "The share of recorded steps that reach the goal is usual (AntMaze: 0.5 to 10 %).",
        _success_share,
        "look at the coverage of the goal",
        fatal=False,
    ),
)
