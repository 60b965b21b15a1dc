"""Checks that stop a run on a dataset it could only learn nonsense from."""

import warnings

import numpy as np

from rankq_jax.data.episodes import success_of_episode
from rankq_jax.errors import InputError
from rankq_jax.types import Episodes

ACTION_TOLERANCE = 1e-6


def check_recording(episodes: Episodes, source: str, observation_size: int, action_size: int) -> None:
    """Shapes and numbers of a loaded dataset.

    Args:
      episodes: what a loader returned.
      source: the file or dataset name that messages begin with.
      observation_size: length of an observation vector of the task.
      action_size: length of an action vector of the task.

    Raises:
      InputError: names `source`, the field, the episode and the first bad row of it.
    """
    expected = {
        "observation": observation_size,
        "action": action_size,
        "next_observation": observation_size,
    }
    for field, size in expected.items():
        found = getattr(episodes, field).shape[1:]
        if found != (size,):
            raise InputError(
                f"{source}: field {field!r} has {_words(found)} per step from index 0 on, "
                f"the task needs {size}; choose the dataset of this task."
            )
    for field in ("observation", "action", "reward", "next_observation"):
        values = getattr(episodes, field)
        bad = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
        if bad.any():
            raise InputError(
                f"{source}: field {field!r} is NaN or infinite at {_where(episodes, bad)}; "
                "repair or drop that episode."
            )
    outside = (np.abs(episodes.action) > 1.0 + ACTION_TOLERANCE).any(axis=1)
    if outside.any():
        raise InputError(
            f"{source}: field 'action' lies outside [-1, 1] at {_where(episodes, outside)}; "
            "rescale the actions to [-1, 1]."
        )


def check_outcomes(episodes: Episodes, source: str) -> None:
    """Both kinds of trajectory must be there to rank by; without failures it still works.

    Args:
      episodes: relabelled for the task and cut at success.
      source: the file or dataset name that messages begin with.

    Raises:
      InputError: if no episode succeeds.

    Warns:
      UserWarning: if no episode fails.
    """
    success = success_of_episode(episodes)
    if not success.any():
        raise InputError(
            f"{source}: field 'success': none of {len(np.unique(episodes.episode))} episodes (first "
            "index 0) reaches the task's goal; collect more data or choose another dataset."
        )
    if success.all():
        warnings.warn(
            f"{source}: field 'success': every episode succeeds, so the failure term of RankQ has no "
            "offline rows.",
            stacklevel=2,
        )


def _words(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} values" if len(shape) == 1 else f"shape {shape}"


def _where(episodes: Episodes, bad: np.ndarray) -> str:
    row = int(np.argmax(bad))
    episode = episodes.episode[row]
    start = int(np.argmax(episodes.episode == episode))
    return f"episode {int(episode)}, index {row - start}"
