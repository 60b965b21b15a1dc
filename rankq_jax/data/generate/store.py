"""Episodes to a Minari dataset on disk, all or nothing."""

import os
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

import minari
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from minari.data_collector import EpisodeBuffer

from rankq_jax.data.episodes import last_rows
from rankq_jax.data.sources.minari import dataset_folder
from rankq_jax.data.sources.root import minari_root
from rankq_jax.errors import InputError
from rankq_jax.types import Episodes


def check_absent(dataset_id: str) -> None:
    """Refuses to write over a dataset.

    Raises:
      InputError: if a dataset of that name exists.
    """
    final = dataset_folder(dataset_id)
    if final.exists():
        raise InputError(f"{final}: exists already; delete it or choose other --steps or --seed.")


def root(dataset_id: str) -> Path:
    """Minari's root, below which a dataset of that name lies."""
    return dataset_folder(dataset_id).parents[dataset_id.count("/")]


def write_minari(
    episodes: Episodes,
    dataset_id: str,
    env_specs: tuple[EnvSpec, EnvSpec] | None,
    **metadata: Any,
) -> Path:
    """Writes a dataset under Minari's root.

    It is written below a temporary folder of the same root and renamed when it is complete, so that an
    interruption leaves nothing under the final name.

    Args:
      episodes: complete episodes. With `info["desired_goal"]` `[T, G]` the observations become the
        dictionaries of goal-conditioned environments; the first G entries of an observation are then the
        achieved goal. The other entries of `info` become infos, with NaN for the state after the last step,
        which is not recorded.
      dataset_id: Minari name.
      env_specs: the gymnasium environments that the data was collected in, whose spaces are stored, and
        that it is evaluated in; None where gymnasium has none with the same observations.
      **metadata: further arguments of `minari.create_dataset_from_buffers`.

    Returns:
      The dataset's folder.

    Raises:
      InputError: if the root cannot be written to. A dataset that appeared under the name meanwhile, made
        by another process, is left as it is.
    """
    final, top = dataset_folder(dataset_id), root(dataset_id)
    try:
        staging = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=top))
    except OSError as error:
        raise InputError(f"{top}: cannot be written to ({error.strerror}).") from error
    try:
        with minari_root(staging), warnings.catch_warnings():
            # Minari asks for an e-mail address, a permanent link and an environment, which not all have.
            warnings.filterwarnings("ignore", message=".*(is set to|env_spec is) None", category=UserWarning)
            if env_specs is not None:
                metadata = {**metadata, "env": env_specs[0], "eval_env": env_specs[1]}
            else:
                metadata = {**metadata, **_spaces(episodes)}
            minari.create_dataset_from_buffers(dataset_id, _buffers(episodes), **metadata)
        final.parent.mkdir(parents=True, exist_ok=True)
        for namespace in (staging / dataset_id).parent.glob("*.json"):  # Minari's note on the namespace
            if not (final.parent / namespace.name).exists():
                shutil.copy(namespace, final.parent)
        os.rename(staging / dataset_id, final)
    except OSError as error:
        if not final.exists():  # else another process has made the same dataset meanwhile
            raise InputError(f"{top}: cannot be written to ({error.strerror or error}).") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return final


def _spaces(episodes: Episodes) -> dict[str, spaces.Space[Any]]:
    def box(size: int) -> spaces.Box:
        return spaces.Box(-np.inf, np.inf, (size,), np.float64)

    observation: spaces.Space[Any] = box(episodes.observation.shape[1])
    if "desired_goal" in episodes.info:
        size = episodes.info["desired_goal"].shape[1]
        entries = {"achieved_goal": box(size), "desired_goal": box(size), "observation": observation}
        observation = spaces.Dict(entries)
    action = spaces.Box(-1.0, 1.0, episodes.action.shape[1:], np.float32)
    return {"observation_space": observation, "action_space": action}


def _buffers(episodes: Episodes) -> list[EpisodeBuffer]:
    ends = np.flatnonzero(last_rows(episodes)) + 1
    starts = np.concatenate([[0], ends[:-1]])
    return [
        _buffer(index, episodes, slice(start, end))
        for index, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]


def _buffer(index: int, episodes: Episodes, rows: slice) -> EpisodeBuffer:
    observation = np.concatenate([episodes.observation[rows], episodes.next_observation[rows][-1:]]).astype(
        np.float64
    )
    observations: Any = observation
    if "desired_goal" in episodes.info:
        goal = episodes.info["desired_goal"][rows]
        observations = {
            "achieved_goal": observation[:, : goal.shape[1]],
            "desired_goal": np.concatenate([goal, goal[-1:]]),
            "observation": observation,
        }
    infos: dict[str, np.ndarray] = {"success": np.concatenate([[False], episodes.success[rows]])}
    for name, values in episodes.info.items():
        if name != "desired_goal":
            after = np.full_like(values[:1], np.nan, dtype=np.float64)
            infos[name] = np.concatenate([values[rows], after])
    return EpisodeBuffer(
        id=index,
        observations=observations,
        actions=episodes.action[rows].astype(np.float32),
        rewards=episodes.reward[rows],
        terminations=episodes.terminated[rows],
        truncations=episodes.truncated[rows],
        infos=infos,
    )
