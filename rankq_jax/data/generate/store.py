"""Episodes to a Minari dataset on disk, all or nothing."""

import contextlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import minari
import numpy as np
from gymnasium.envs.registration import EnvSpec
from minari.data_collector import EpisodeBuffer

from rankq_jax.data.episodes import last_rows
from rankq_jax.data.sources.minari import dataset_folder
from rankq_jax.errors import InputError
from rankq_jax.types import Episodes


@contextlib.contextmanager
def _minari_root(folder: Path) -> Iterator[None]:
    """Minari reads its root from the environment alone; this sets it and puts it back."""
    name = "MINARI_DATASETS_PATH"
    before = os.environ.get(name)
    os.environ[name] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def check_absent(dataset_id: str) -> None:
    """Refuses to write over a dataset.

    Raises:
      InputError: if a dataset of that name exists.
    """
    final = dataset_folder(dataset_id)
    if final.exists():
        raise InputError(f"{final}: exists already; delete it or choose other --steps or --seed.")


def write_minari(
    episodes: Episodes,
    dataset_id: str,
    env_specs: tuple[EnvSpec, EnvSpec],
    **metadata: Any,
) -> Path:
    """Writes a goal-conditioned dataset under Minari's root.

    It is written below a temporary folder of the same root and renamed when it is complete, so that an
    interruption leaves nothing under the final name.

    Args:
      episodes: complete episodes with `info["desired_goal"]` `[T, G]`; the first G entries of an
        observation are the achieved goal.
      dataset_id: Minari name.
      env_specs: the gymnasium environments that the data was collected in, whose spaces are stored, and
        that it is evaluated in.
      **metadata: further arguments of `minari.create_dataset_from_buffers`.

    Returns:
      The dataset's folder.

    Raises:
      InputError: if the root cannot be written to. A dataset that appeared under the name meanwhile, made
        by another process, is left as it is.
    """
    final = dataset_folder(dataset_id)
    root = final.parents[dataset_id.count("/")]
    try:
        staging = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=root))
    except OSError as error:
        raise InputError(f"{root}: cannot be written to ({error.strerror}).") from error
    try:
        with _minari_root(staging), warnings.catch_warnings():
            # Minari asks for an e-mail address and a permanent link, which a local dataset has not.
            warnings.filterwarnings("ignore", message=".*is set to None", category=UserWarning)
            minari.create_dataset_from_buffers(
                dataset_id, _buffers(episodes), env=env_specs[0], eval_env=env_specs[1], **metadata
            )
        final.parent.mkdir(parents=True, exist_ok=True)
        for namespace in (staging / dataset_id).parent.glob("*.json"):  # Minari's note on the namespace
            if not (final.parent / namespace.name).exists():
                shutil.copy(namespace, final.parent)
        os.rename(staging / dataset_id, final)
    except OSError as error:
        if not final.exists():  # else another process has made the same dataset meanwhile
            raise InputError(f"{root}: cannot be written to ({error.strerror or error}).") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return final


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
    goal = episodes.info["desired_goal"][rows]
    goal = np.concatenate([goal, goal[-1:]])
    success = np.concatenate([[False], episodes.success[rows]])
    return EpisodeBuffer(
        id=index,
        observations={
            "achieved_goal": observation[:, : goal.shape[1]],
            "desired_goal": goal,
            "observation": observation,
        },
        actions=episodes.action[rows].astype(np.float32),
        rewards=episodes.reward[rows],
        terminations=episodes.terminated[rows],
        truncations=episodes.truncated[rows],
        infos={"success": success},
    )
