"""Checks that stop a run on a dataset it could only learn nonsense from."""

import warnings
from collections.abc import Callable

import numpy as np

from rankq_jax.data import rules
from rankq_jax.data.episodes import lengths, success_of_episode
from rankq_jax.data.rules.labels import OUTCOMES, outcomes
from rankq_jax.types import Episodes

OF_LABELS = " of the labeled data"  # whose episodes are numbered anew


def check_recording(
    episodes: Episodes,
    source: str,
    observation_size: int,
    action_size: int,
    max_step: float | None = None,
    inside: Callable[[np.ndarray], np.ndarray] | None = None,
) -> None:
    """The rules of a recording that are fatal, before anything is labeled.

    Args:
      episodes: what a loader returned.
      source: the file or dataset name that messages begin with.
      observation_size: length of an observation vector of the task.
      action_size: length of an action vector of the task.
      max_step: metres that a step in a maze can make at most; None without a maze.
      inside: `position [n, 2] -> [n]` bool, whether it lies in a free cell; None without a maze.

    Raises:
      InputError: names `source`, the rule, the episode and the first bad row of it.
    """
    check_recorded(rules.Recorded(episodes, observation_size, action_size, max_step, inside), source)


def check_recorded(recording: rules.Recorded, source: str) -> None:
    """As `check_recording`, with all that the task allows.

    Raises:
      InputError: names `source`, the rule, the episode and the first bad row of it.
    """
    for rule in rules.RECORDING_RULES:
        if rule.fatal:
            finding = rule.test(recording)
            if finding.ok is False:
                raise rules.refusal(source, rule, finding, recording.episodes)


def check_outcomes(episodes: Episodes, source: str) -> None:
    """Both kinds of trajectory must be there to rank by; without failures it still works.

    Args:
      episodes: labeled.
      source: the file or dataset name that messages begin with.

    Raises:
      InputError: if no episode succeeds.

    Warns:
      UserWarning: if no episode fails.
    """
    finding = outcomes(episodes)
    if finding.ok is False:
        raise rules.refusal(source, OUTCOMES, finding, episodes)
    if success_of_episode(episodes).all():
        warn_of_no_failure(source)


def warn_of_no_failure(source: str) -> None:
    """Warns that every episode of `source` succeeds."""
    warnings.warn(
        f"{source}: field 'success': every episode succeeds, so the failure term of RankQ has no "
        "offline rows.",
        stacklevel=3,
    )


def warn_of_long_episodes(recording: rules.Recorded, source: str, horizon: int | None) -> None:
    """Warns of recorded episodes that have more steps than those of the task."""
    steps = lengths(recording.episodes)
    count = int((steps > (horizon or np.inf)).sum())
    if count:
        warnings.warn(
            f"{source}: {count} of {len(steps)} recorded episodes outlast the {horizon} steps of "
            f"the task; the longest has {int(steps.max())}.",
            stacklevel=3,
        )


def check_labels(labels: rules.Labeled, source: str, outcomes: bool = True) -> None:
    """The rules of labeled data that are fatal, those of `check_outcomes` among them.

    Args:
      labels: the data and what it was made with.
      source: the file or dataset name that messages begin with.
      outcomes: whether some episode must succeed.

    Raises:
      InputError: names `source`, the rule, the labeled episode and the first bad row of it.

    Warns:
      UserWarning: if no episode of a sparse task fails.
    """
    for rule in rules.LABEL_RULES:
        if rule is OUTCOMES and labels.rewards is not None:
            if outcomes:
                check_outcomes(labels.episodes, source)
        elif rule.fatal:
            finding = rule.test(labels)
            if finding.ok is False:
                raise rules.refusal(source, rule, finding, labels.episodes, OF_LABELS)
