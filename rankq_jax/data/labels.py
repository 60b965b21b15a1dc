"""What a success is in a recording, before a reading makes training data of it."""

import warnings
from collections.abc import Callable

import jax
import numpy as np

from rankq_jax.data.episodes import cut_at_success, last_rows, relabel, success_of_episode
from rankq_jax.data.readings import READINGS
from rankq_jax.data.recording import SUCCESS_FLAGS
from rankq_jax.data.rules.steps import Recorded, unknown_rows
from rankq_jax.data.validate import warn_of_no_failure
from rankq_jax.errors import InputError
from rankq_jax.types import Episodes

JUDGE = "the task's judge"
RAW_REWARDS = "the raw rewards"
NOTHING = "nothing: none is recorded"
DISAGREEMENT = 0.01  # share of the rows in which recorded labels may differ from the task's judge

Success = Callable[[np.ndarray], np.ndarray]  # observation [T, O] -> [T] bool


def dense(recorded: Recorded, source: str, needed: bool) -> tuple[Episodes, str]:
    """A recording with a dense reward: success is what `infos/success` says, and nothing else.

    Args:
      recorded: of one source.
      source: what messages begin with.
      needed: whether the data is of no use without labels of success.

    Returns:
      The episodes, no step of which succeeds where nothing is recorded, and where success comes from.

    Raises:
      InputError: if labels are needed and missing, or they are those of every step or of none.

    Warns:
      UserWarning: if the source has no rewards, or labels are needed and no episode fails.
    """
    episodes = recorded.episodes
    if not recorded.origin.rewarded:
        warnings.warn(
            f"{source}: field 'rewards' is missing, so all of them are 0, and no judge of this task puts "
            "others; train an algorithm that does not learn from rewards, or store them.",
            stacklevel=2,
        )
    if recorded.origin.success == SUCCESS_FLAGS:
        share = float(np.mean(episodes.success)) if len(episodes.success) else 0.0
        if needed and share in (0.0, 1.0):
            raise InputError(
                f"{source}: field {SUCCESS_FLAGS!r} is {int(share)} from index 0 to the end, so there is "
                "nothing to rank; repair it or train an algorithm without labels of success."
            )
        if needed and success_of_episode(episodes).all():
            warn_of_no_failure(source)
        return episodes, SUCCESS_FLAGS
    if needed:
        raise InputError(
            f"{source}: field {SUCCESS_FLAGS!r} is missing from index 0 on, and no task with a dense reward "
            "tells successes from failures; store it or train an algorithm without labels of success."
        )
    return episodes._replace(success=np.zeros(len(episodes.reward), bool)), NOTHING


def sparse(
    recorded: Recorded, source: str, reading: str, success: Success, rewards: tuple[float, float]
) -> tuple[Episodes, str]:
    """A recording of a task with a binary reward as a reading makes training data of it.

    The readings "task" and "d4rl" use the task's judge, "recorded" the raw rewards. The others use
    `infos/success`, else raw rewards if they are the task's two and both occur, else the judge, and put the
    task's rewards.

    Args:
      recorded: of one source.
      source: what messages begin with.
      reading: name in `READINGS`.
      success: the task's judge, of the next observation.
      rewards: raw reward of a failing step, and of a success.

    Returns:
      The labeled episodes, and where success comes from, in words.

    Raises:
      InputError: if recorded labels contradict the judge, or a success would be lost.

    Warns:
      UserWarning: if rows are left out.
    """
    episodes, (unknown, jumps) = recorded.episodes, unknown_rows(recorded)
    if unknown.sum() > len(unknown) // 2:
        raise InputError(
            f"{source}: field 'terminals' is set in {int(unknown.sum())} rows from index "
            f"{int(np.argmax(unknown))} on, and where they led is not in it; store next_observations."
        )
    possible = success(episodes.next_observation)
    judged = possible & ~unknown
    sure = _recorded_label(recorded, rewards)
    if reading == "recorded":
        _check_recorded_rewards(source, episodes.reward, judged, rewards[1])
        return READINGS[reading](episodes, success, rewards), RAW_REWARDS
    known = possible & ~jumps  # where the following row may be the next one
    if sure and _differing(sure[0], judged, ~unknown).mean() <= DISAGREEMENT:
        known = known | sure[0]  # otherwise they are labels of something else, as of another goal
    ends = unknown & known
    dropped = unknown & ~known
    if reading in ("task", "d4rl"):
        kept = _without(episodes, dropped, source)
        forced = ends[~dropped]
        relabeled = relabel(kept, success, rewards)
        if forced.any() or dropped.any():
            relabeled = _forced(relabeled, forced, ~dropped, judged, rewards)
        if reading == "d4rl":
            return READINGS["recorded"](relabeled, success, rewards), JUDGE
        return cut_at_success(relabeled, success), JUDGE
    reached, origin = (judged | ends, JUDGE) if sure is None else sure
    if sure is not None:
        _check_agreement(source, origin, reached, judged, ~unknown)
    if reading == "rlpd" and ends.any():
        raise InputError(
            f"{source}: field 'next_observations' is missing for the success at index "
            f"{int(np.argmax(ends))}, which the reading 'rlpd' does not end at; store next_observations."
        )
    labeled = episodes._replace(reward=np.where(reached, rewards[1], rewards[0]))
    return READINGS[reading](_without(labeled, dropped, source), success, rewards), origin


def _check_recorded_rewards(source: str, reward: np.ndarray, judged: np.ndarray, succeeding: float) -> None:
    if (reward == succeeding).all() and not judged.all():
        raise InputError(
            f"{source}: field 'rewards' is {succeeding:g}, that of a success, from index 0 to the end, "
            f"and the task's judge knows {int(judged.sum())} successes; choose the reading 'task'."
        )


def _recorded_label(recorded: Recorded, rewards: tuple[float, float]) -> tuple[np.ndarray, str] | None:
    """`[T]` bool, success as the source says it, and where it says so; None where it does not."""
    episodes = recorded.episodes
    if recorded.origin.success == SUCCESS_FLAGS:
        return episodes.success, SUCCESS_FLAGS
    reached = episodes.reward == rewards[1]
    if reached.any() and not reached.all() and (reached | (episodes.reward == rewards[0])).all():
        return reached, RAW_REWARDS
    return None


def _differing(reached: np.ndarray, judged: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return (reached != judged) & rows


def _check_agreement(
    source: str, origin: str, reached: np.ndarray, judged: np.ndarray, rows: np.ndarray
) -> None:
    other = _differing(reached, judged, rows)
    if other.mean() > DISAGREEMENT:
        row = int(np.argmax(other))
        raise InputError(
            f"{source}: {origin} and the task's judge differ in {int(other.sum())} of {len(other)} rows, "
            f"first at index {row}, for the judge a {'success' if judged[row] else 'failure'}; repair "
            "them or choose the reading 'task'."
        )


def _without(episodes: Episodes, dropped: np.ndarray, source: str) -> Episodes:
    """Episodes without rows that ended them; the row before becomes the truncated end."""
    if not dropped.any():
        return episodes
    warnings.warn(
        f"{source}: field 'next_observations' is missing, so where {int(dropped.sum())} terminals led is not "
        f"in it: those rows (first index {int(np.argmax(dropped))}) are left out and their episodes end by a "
        "time limit; store next_observations to keep them.",
        stacklevel=2,
    )
    kept: Episodes = jax.tree.map(lambda leaf: leaf[~dropped], episodes)
    if not len(kept.reward):
        raise InputError(f"{source}: field 'next_observations' is missing from index 0 on; store it.")
    return kept._replace(truncated=kept.truncated | (last_rows(kept) & ~kept.terminated))


def _forced(
    relabeled: Episodes,
    forced: np.ndarray,
    kept: np.ndarray,
    judged: np.ndarray,
    rewards: tuple[float, float],
) -> Episodes:
    """The labels of the judge, and successes at rows whose next observation is not in the source."""
    reached = judged[kept] | forced
    return relabeled._replace(
        reward=np.where(reached, rewards[1], rewards[0]),
        success=reached,
        terminated=reached,
        truncated=relabeled.truncated & ~reached,
    )
