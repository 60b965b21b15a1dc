"""Episodes to a Minari dataset on disk, all or nothing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import minari
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from minari.data_collector import EpisodeBuffer
from minari.dataset.minari_storage import MinariStorage
from minari.namespace import create_namespace

from rankq_jax import files
from rankq_jax.data.episodes import last_rows
from rankq_jax.data.export import hdf5_bytes
from rankq_jax.data.sources.minari import dataset_folder
from rankq_jax.data.sources.minari_metadata import read_metadata
from rankq_jax.data.sources.root import minari_root, settle
from rankq_jax.errors import InputError, one_line
from rankq_jax.types import Episodes


def check_absent(dataset_id: str) -> None:
    """Refuses to write over a dataset.

    Raises:
      InputError: if a dataset of that name exists.
    """
    final = dataset_folder(dataset_id)
    if final.exists():
        raise InputError(f"{final}: exists already; delete it or choose other steps or another seed.")


def check_same(dataset_id: str, metadata: Mapping[str, Any]) -> None:
    """Refuses a dataset that `write_minari` has not written with these metadata.

    Args:
      dataset_id: Minari name of a dataset that is there.
      metadata: as those of `write_minari`.

    Raises:
      InputError: names its folder, the entry and both values.
    """
    final = dataset_folder(dataset_id)
    try:
        found = read_metadata(final, final / "data")
        (final / "data" / "main_data.hdf5").stat()
    except (OSError, ValueError) as error:
        raise InputError(f"{final}: cannot be read ({one_line(error)}); delete it.") from error
    for field, value in metadata.items():
        wanted = sorted(value) if isinstance(value, set) else value
        if (there := found.get(field)) != wanted:
            raise InputError(
                f"{final}: field {field!r} is {there!r:.80} there and {wanted!r:.80} now; delete it or "
                "choose other steps or another seed."
            )


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

    It is made in a folder of its own below the same root and moved when it is complete: an interruption
    leaves nothing under the final name. It takes as much memory again as the finished file has bytes.

    Args:
      episodes: complete episodes. With `info["desired_goal"]` `[T, G]` the observations become the
        dictionaries of goal-conditioned environments; the first G entries of an observation are then the
        achieved goal. The other entries of `info` become infos, with NaN for the state after the last step,
        which is not recorded.
      dataset_id: Minari name.
      env_specs: the gymnasium environments that the data was collected in, whose spaces are stored, and
        that it is evaluated in; None where gymnasium has none with the same observations.
      **metadata: further entries of Minari's metadata, e.g. `description`; authors are a set.

    Returns:
      The dataset's folder.

    Raises:
      InputError: if the root cannot be written to. A dataset that appeared under the name meanwhile, made
        by another process, is left as it is.
    """
    final, top = dataset_folder(dataset_id), root(dataset_id)
    try:
        with files.staging(top) as staged:
            with minari_root(staged):
                _write(episodes, dataset_id, env_specs, metadata)
            settle(staged, dataset_id, final)
    except OSError as error:
        if not final.exists():  # else another process has made the same dataset meanwhile
            raise InputError(f"{top}: cannot be written to ({error.strerror or error}).") from error
    return final


def _write(
    episodes: Episodes,
    dataset_id: str,
    env_specs: tuple[EnvSpec, EnvSpec] | None,
    metadata: dict[str, Any],
) -> None:
    """As `minari.create_dataset_from_buffers`, which would have HDF5 write to the disk itself."""
    namespace = dataset_id.rpartition("/")[0]
    if namespace:
        create_namespace(namespace)
    folder = dataset_folder(dataset_id) / "data"
    folder.mkdir(parents=True)
    if env_specs is None:
        storage = MinariStorage.new(folder, jpeg_encoding=False, **_spaces(episodes))
    else:
        # Minari makes the environment for its spaces; those of vectors are known without.
        known = {} if "desired_goal" in episodes.info else _spaces(episodes)
        storage = MinariStorage.new(folder, env_spec=env_specs[0], jpeg_encoding=False, **known)
        metadata = {**metadata, "eval_env_spec": env_specs[1].to_json()}
    about = {"dataset_id": dataset_id, **metadata, "minari_version": minari.__version__}
    storage.update_metadata(about)
    buffers = _buffers(episodes)
    content = hdf5_bytes(lambda file: _fill(file, buffers), track_order=True)
    (folder / "main_data.hdf5").write_bytes(content)
    steps = len(episodes.reward)
    storage.update_metadata(
        {"total_steps": steps, "total_episodes": len(buffers), "dataset_size": storage.get_size()}
    )


def _fill(file: Any, buffers: list[EpisodeBuffer]) -> None:
    """Minari's layout: a group for each episode, with arrays that can grow."""
    for buffer in buffers:
        group = file.create_group(f"episode_{buffer.id}")
        group.attrs["id"], group.attrs["total_steps"] = buffer.id, len(buffer.rewards)
        columns = ("observations", "actions", "rewards", "terminations", "truncations", "infos")
        for column in columns:
            _fill_column(group, column, getattr(buffer, column))


def _fill_column(group: Any, name: str, values: Any) -> None:
    if isinstance(values, dict):
        inner = group.create_group(name)
        for key, each in values.items():
            _fill_column(inner, key, each)
    else:
        group.create_dataset(name, data=values, chunks=True, maxshape=(None, *values.shape[1:]))


def _spaces(episodes: Episodes) -> dict[str, spaces.Space[Any]]:
    def box(size: int) -> spaces.Box:
        return spaces.Box(-np.inf, np.inf, (size,), np.float64)

    observation = _space(episodes.observation)
    if "desired_goal" in episodes.info:
        size = episodes.info["desired_goal"].shape[1]
        entries = {"achieved_goal": box(size), "desired_goal": box(size), "observation": observation}
        observation = spaces.Dict(entries)
    action = spaces.Box(-1.0, 1.0, episodes.action.shape[1:], np.float32)
    return {"observation_space": observation, "action_space": action}


def _plain(observation: Any) -> bool:
    """Whether observations `[T, *O]` are vectors of floating-point numbers."""
    array = isinstance(observation, np.ndarray)
    return array and observation.ndim == 2 and np.issubdtype(observation.dtype, np.floating)


def _space(observation: Any) -> spaces.Space[Any]:
    """The space of observations `[T, *O]`."""
    if isinstance(observation, Mapping):
        return spaces.Dict({name: _space(part) for name, part in observation.items()})
    shape, dtype = observation.shape[1:], observation.dtype
    if _plain(observation):
        return spaces.Box(-np.inf, np.inf, shape, np.float64)
    low, high = -np.inf, np.inf
    if np.issubdtype(dtype, np.integer):
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    return spaces.Box(low, high, shape, dtype)


def _recorded(observation: Any, final: Any) -> Any:
    """`[T + 1, *O]`: the observations of an episode and its last one, vectors in float64."""
    joined = jax.tree.map(lambda one, other: np.concatenate([one, other[-1:]]), observation, final)
    return jax.tree.map(lambda leaf: leaf.astype(np.float64) if _plain(leaf) else leaf, joined)


def _buffers(episodes: Episodes) -> list[EpisodeBuffer]:
    ends = np.flatnonzero(last_rows(episodes)) + 1
    starts = np.concatenate([[0], ends[:-1]])
    return [
        _buffer(index, episodes, slice(start, end))
        for index, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]


def _buffer(index: int, episodes: Episodes, rows: slice) -> EpisodeBuffer:
    part = jax.tree.map(lambda leaf: leaf[rows], (episodes.observation, episodes.next_observation))
    observations = observation = _recorded(*part)
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
