"""From recorded episodes to training data. Files and online episodes pass through the same function."""

from typing import NamedTuple

import jax
import numpy as np

from rankq_jax.data.episodes import last_rows, success_of_episode
from rankq_jax.specs import seen
from rankq_jax.types import PREFERRED_ACTION, WAYPOINT, Episodes, Transition

# Dataset actions stay inside the open box, where a tanh policy has a density (published Cal-QL code).
ACTION_LIMIT = 0.99999


class RewardTransform(NamedTuple):
    """`scale * raw + bias`, and what a failing step of a sparse task returns.

    Attributes:
      scale: factor of the raw reward.
      bias: added after scaling.
      failure: raw reward of a step without success in a sparse task; None for a dense reward.
      persists: whether the last reward of an episode that its time limit ends counts as paid for ever in
        returns: of tasks that no success ends.
    """

    scale: float
    bias: float
    failure: float | None
    persists: bool = False

    def __call__(self, raw: np.ndarray) -> np.ndarray:
        """`[T] -> [T]` float32."""
        return (np.float32(self.scale) * raw + np.float32(self.bias)).astype(np.float32)


def return_to_go(
    reward: np.ndarray,
    discount: np.ndarray,
    last: np.ndarray,
    failed: np.ndarray,
    fill: float,
    tail: np.ndarray | None = None,
) -> np.ndarray:
    """Monte-Carlo return-to-go of transformed rewards (Cal-QL, arXiv 2303.05479).

    `G_t = r_t + discount_t G_{t+1}` within an episode, `tail` after its end. In failed episodes of a
    sparse task every entry is `fill`, the value of failing for ever: a time limit would otherwise make
    failure look better than it is.

    Args:
      reward: `[T]` transformed.
      discount: `[T]` `gamma (1 - terminated)`.
      last: `[T]` bool, last row of its episode.
      failed: `[T]` bool, row of a failed episode.
      fill: return of failing for ever.
      tail: `[T]`, the discounted return after a row where that is the last one of its episode; None: 0.

    Returns:
      `[T]` float32.
    """
    result = np.empty(len(reward), np.float64)
    following = 0.0
    for t in range(len(reward) - 1, -1, -1):
        after = 0.0 if tail is None else tail[t]
        following = reward[t] + (after if last[t] else discount[t] * following)
        result[t] = following
    return np.where(failed, fill, result).astype(np.float32)


def prepare(episodes: Episodes, transform: RewardTransform, gamma: float) -> Transition:
    """Training data of whole episodes: rewards transformed, discounts, success labels, return-to-go.

    Args:
      episodes: complete episodes, each ending where the task or its time limit ended it.
      transform: applied to the raw reward before any return is computed.
      gamma: discount per environment step.

    Returns:
      A `Transition` of numpy arrays `[T, ...]`, float32 besides images and other whole numbers, with
      `extras` `success`, `mc_return` and `next_action`, and `waypoint` where `info` has it.
    """
    reward = transform(episodes.reward)
    discount = (gamma * (1.0 - episodes.terminated)).astype(np.float32)
    success = success_of_episode(episodes)
    if transform.failure is None:
        failed, fill = np.zeros(len(reward), bool), 0.0
    else:
        failed = ~success
        fill = float(transform(np.array([transform.failure]))[0]) / (1.0 - gamma)
    last = last_rows(episodes)
    # r / (1 - gamma) from the next step on; a true end has a discount of 0, and nothing after it.
    tail = discount * reward / (1.0 - gamma) if transform.persists else None
    mc_return = return_to_go(reward, discount, last, failed, fill, tail)
    action = np.clip(episodes.action, -ACTION_LIMIT, ACTION_LIMIT).astype(np.float32)
    # Never an action of the next episode. At a time limit none was recorded, and the row keeps its own.
    following = np.where(last, np.arange(len(action)), np.arange(1, len(action) + 1))
    return Transition(
        observation=seen(episodes.observation),
        action=action,
        reward=reward,
        discount=discount,
        next_observation=seen(episodes.next_observation),
        extras={
            "success": success.astype(np.float32),
            "mc_return": mc_return,
            "next_action": action[following],
            **({WAYPOINT: episodes.info[WAYPOINT]} if WAYPOINT in episodes.info else {}),
        },
    )


def best(episodes: Episodes, prepared: Transition, share: float) -> Transition:
    """The rows of the trajectories with the highest discounted return, at least one of them.

    In a sparse task those are the shortest ways to the goal (the best 10 % of behaviour cloning, as in the
    TD3+BC and Decision Transformer papers). Of equal ones the earlier wins.

    Args:
      episodes: as recorded.
      prepared: what `prepare` made of them.
      share: of the trajectories, in (0, 1].
    """
    if share >= 1.0:
        return prepared
    kept = best_rows(episodes, prepared, share)
    return jax.tree.map(lambda leaf: leaf[kept], prepared)


def best_rows(episodes: Episodes, prepared: Transition, share: float) -> np.ndarray:
    """`[T]` bool: the rows that `best` keeps; its arguments."""
    ids, first, inverse = np.unique(episodes.episode, return_index=True, return_inverse=True)
    order = np.argsort(-prepared.extras["mc_return"][first], kind="stable")
    kept = np.zeros(len(ids), bool)
    kept[order[: max(1, int(np.ceil(share * len(ids))))]] = True
    return kept[inverse]


def with_preferences(prepared: Transition) -> Transition:
    """A column `preferred_action`, at first the recorded action itself (Alg. 1 of OAP)."""
    return prepared._replace(extras={**prepared.extras, PREFERRED_ACTION: prepared.action})
