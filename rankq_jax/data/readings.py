"""How a recording is read as training data: what counts as a success, as a terminal, as a trajectory."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from rankq_jax.data.episodes import cut_at_success, last_rows, relabel
from rankq_jax.types import Episodes, Transition

Success = Callable[[np.ndarray], np.ndarray]  # observation [T, *O] -> [T] bool
# (episodes of one source, success of the task, raw reward of (a failing step, a success)) -> episodes
Reading = Callable[[Episodes, Success, tuple[float, float]], Episodes]


class Summary(NamedTuple):
    """What a dataset became under a reading, for the first lines of a run.

    Attributes:
      reading: name in `READINGS`.
      success_from: where the labels of success come from, in words; several sources are joined by commas.
      rows: number of transitions.
      episodes: number of labeled trajectories.
      successful: number of the trajectories that succeed.
      share: share of the rows that belong to a successful trajectory, in [0, 1].
      terminals: number of the rows whose discount is 0.
      clipped: number of the recorded rows whose actions were clipped.
      returns: the smallest and the largest sum of the transformed rewards of a trajectory; 0 without rows.
    """

    reading: str
    success_from: str
    rows: int
    episodes: int
    successful: int
    share: float
    terminals: int
    clipped: int = 0
    returns: tuple[float, float] = (0.0, 0.0)

    def __str__(self) -> str:
        told = (
            f"reading {self.reading!r}: {self.rows} rows in {self.episodes} episodes, {self.successful} of "
            f"them successful ({100 * self.share:.3g} % of the rows), {self.terminals} terminals; success "
            f"from {self.success_from}"
        )
        return told + (f"; actions of {self.clipped} recorded rows clipped" if self.clipped else "")


def summary(reading: str, success_from: str, episode: np.ndarray, data: Transition) -> Summary:
    """The summary of labeled data.

    Args:
      reading: name in `READINGS`.
      success_from: where the labels of success come from, in words.
      episode: `[N]`, the number of the trajectory that a row belongs to.
      data: `[N, ...]`, the labeled rows.
    """
    success = np.asarray(data.extras["success"]) > 0
    ids, index = np.unique(episode, return_inverse=True)
    returns = np.bincount(index, weights=np.asarray(data.reward, np.float64))
    return Summary(
        reading,
        success_from,
        rows=len(success),
        episodes=len(ids),
        successful=len(np.unique(episode[success])),
        share=float(success.mean()) if len(success) else 0.0,
        terminals=int(np.count_nonzero(np.asarray(data.discount) == 0.0)),
        returns=(float(returns.min(initial=np.inf)), float(returns.max(initial=-np.inf)))
        if len(ids)
        else (0.0, 0.0),
    )


def task(episodes: Episodes, success: Success, reward: tuple[float, float]) -> Episodes:
    """As an environment of the task that ends at its first success would have recorded the behaviour.

    Args:
      episodes: of one source.
      success: of the task, of the next observation.
      reward: raw reward of a failing step, and of a success.
    """
    return cut_at_success(relabel(episodes, success, reward), success)


def recorded(episodes: Episodes, success: Success, reward: tuple[float, float]) -> Episodes:
    """Rewards and terminals as in the file; a success is a step with the raw reward of one.

    Segments end at terminals and timeouts, so that each further step inside a goal that terminates is a
    segment of one step (D4RL's `qlearning_dataset`, and the loaders of Cal-QL's code made from it).

    Args:
      episodes: of one source.
      success: not used.
      reward: of which the second entry is the raw reward of a success.
    """
    ends = last_rows(episodes) | episodes.terminated | episodes.truncated
    return episodes._replace(
        success=episodes.reward == reward[1],
        episode=np.cumsum(np.append(False, ends[:-1]))[: len(ends)],
    )


def d4rl(episodes: Episodes, success: Success, reward: tuple[float, float]) -> Episodes:
    """Judged by the task at the next observation, and every step of a success is terminal.

    So the first success of a recorded episode ends a segment, and each further step in the goal is a segment
    of one step. D4RL's AntMaze files are recorded in this way, with one goal for all episodes, and "recorded"
    reads them alike. Own sets hold no terminals, because collecting goes on.

    Args:
      episodes: of one source.
      success: of the task, of the next observation.
      reward: raw reward of a failing step, and of a success.
    """
    return recorded(relabel(episodes, success, reward), success, reward)


def cal_ql(episodes: Episodes, success: Success, reward: tuple[float, float]) -> Episodes:
    """Successful trajectories alone, up to their last success; every success is terminal.

    So a trajectory may hold several terminals. This is how Cal-QL's code loads the Adroit demonstrations
    (arXiv 2303.05479).

    Args:
      episodes: of one source.
      success: not used.
      reward: of which the second entry is the raw reward of a success.
    """
    reached = episodes.reward == reward[1]
    ids, index = np.unique(episodes.episode, return_inverse=True)
    final = np.full(len(ids), -1)
    np.maximum.at(final, index[reached], np.flatnonzero(reached))
    kept = np.arange(len(reached)) <= final[index]
    labeled = episodes._replace(
        terminated=reached, truncated=np.zeros_like(reached), success=reached, episode=index
    )
    return _renumbered(jax.tree.map(lambda leaf: leaf[kept], labeled))


def rlpd(episodes: Episodes, success: Success, reward: tuple[float, float]) -> Episodes:
    """The first 90 % of the trajectories, whole, failures among them; no step is terminal.

    This is how RLPD's code loads each file of the Adroit demonstrations (arXiv 2302.02948). Of fewer than
    two trajectories the first is kept.

    Args:
      episodes: of one source.
      success: not used.
      reward: of which the second entry is the raw reward of a success.
    """
    index = np.unique(episodes.episode, return_inverse=True)[1]
    kept = index < max(1, 9 * (int(index.max(initial=-1)) + 1) // 10)
    part: Episodes = jax.tree.map(lambda leaf: leaf[kept], episodes)
    return _renumbered(
        part._replace(
            terminated=np.zeros(len(part.reward), bool),
            truncated=last_rows(part),
            success=part.reward == reward[1],
        )
    )


def _renumbered(episodes: Episodes) -> Episodes:
    return episodes._replace(episode=np.unique(episodes.episode, return_inverse=True)[1])


READINGS: dict[str, Reading] = {
    "task": task,
    "recorded": recorded,
    "d4rl": d4rl,
    "cal_ql": cal_ql,
    "rlpd": rlpd,
}
