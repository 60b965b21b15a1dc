"""Minari datasets, read through Minari's own interface."""

from pathlib import Path
from typing import Any

import minari
import numpy as np
from minari.storage import get_dataset_path

from rankq_jax.data.episodes import concatenate
from rankq_jax.errors import InputError
from rankq_jax.types import Episodes


def dataset_folder(dataset_id: str) -> Path:
    """Where Minari keeps (or would keep) a dataset: below `MINARI_DATASETS_PATH`, else its default."""
    return Path(get_dataset_path(dataset_id))


def exists(dataset_id: str) -> bool:
    """Whether a dataset of that name is on disk."""
    return dataset_folder(dataset_id).exists()


def load_minari(dataset_id: str, observation_key: str = "observation") -> Episodes:
    """All episodes of a local dataset.

    Args:
      dataset_id: Minari name, e.g. `pointmaze-umaze/waypoints-80k-seed0-v0`.
      observation_key: which entry of a dictionary observation is the observation vector.

    Returns:
      Episodes with `terminated` from Minari's terminations alone: a time limit is never a terminal.
      `success` is the `success` info where there is one, else `terminated`.

    Raises:
      InputError: if the dataset is missing, cannot be read, or an episode's fields do not belong
        together; names the folder, the field, the episode and the index.
    """
    folder = dataset_folder(dataset_id)
    if not folder.exists():
        raise InputError(
            f"{dataset_id}: no such dataset below {folder.parent}; make one with "
            "`python -m experiments.make_dataset --task=TASK`."
        )
    parts: list[Episodes] = []
    try:
        for episode in minari.load_dataset(dataset_id).iterate_episodes():
            parts.append(_episode(folder, episode, observation_key))
    except InputError:
        raise
    # h5py and Minari report missing and damaged files by any of these.
    except (OSError, KeyError, RuntimeError, ValueError, AssertionError, TypeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{folder}: field 'data' cannot be read from episode index {len(parts)} on ({reason}); the file "
            "is truncated or damaged, delete the dataset and make it again."
        ) from error
    if not parts:
        raise InputError(f"{folder}: field 'episodes' is empty; delete it and make it again.")
    for i, part in enumerate(parts):
        for field in ("observation", "action"):
            found, first = getattr(part, field).shape[1:], getattr(parts[0], field).shape[1:]
            if found != first:
                raise InputError(
                    f"{folder}: episode {i}: field {field!r} has shape {found} per step from index 0 on, "
                    f"episode 0 has {first}; repair or drop that episode."
                )
    return concatenate(parts)


def _episode(folder: Path, episode: Any, observation_key: str) -> Episodes:
    where = f"{folder}: episode {episode.id}"
    observations = episode.observations
    if isinstance(observations, dict):
        if observation_key not in observations:
            raise InputError(
                f"{where}: field 'observations' has no entry {observation_key!r}, only "
                f"{', '.join(observations)}; choose the dataset of this task."
            )
        observations = observations[observation_key]
    steps = len(episode.rewards)
    lengths = {
        "observations": len(observations) - 1,
        "actions": len(episode.actions),
        "terminations": len(episode.terminations),
        "truncations": len(episode.truncations),
    }
    for field, length in lengths.items():
        if length != steps:
            raise InputError(
                f"{where}: field {field!r} ends at index {min(length, steps)}, it describes {length} "
                f"steps and 'rewards' {steps}; repair or drop that episode."
            )
    terminated = np.asarray(episode.terminations, bool)
    infos = episode.infos or {}
    success = np.asarray(infos["success"], bool)[1:] if "success" in infos else terminated
    return Episodes(
        observation=np.asarray(observations[:-1]),
        action=np.asarray(episode.actions),
        reward=np.asarray(episode.rewards, np.float64),
        next_observation=np.asarray(observations[1:]),
        terminated=terminated,
        truncated=np.asarray(episode.truncations, bool) & ~terminated,
        success=success,
        episode=np.full(steps, episode.id),
        info={},
    )
