"""A task of which there is a dataset and nothing else: it can be trained on, and not acted in."""

import functools
from pathlib import Path

import jax
import numpy as np

from rankq_jax.data import sources
from rankq_jax.data.prepare import RewardTransform
from rankq_jax.data.recording import Recording
from rankq_jax.data.sources.selection import Wanted, keys_of
from rankq_jax.data.stamps import Stamp, stamps
from rankq_jax.environments import BatchEnv, EnvState, Step
from rankq_jax.specs import TaskSpec, unit_box
from rankq_jax.tasks.task import Task

PREFIX = "data:"  # begins the names of these tasks


def named(name: str, keys: str = "") -> Task:
    """The task of a name that begins with `data:`, which is followed by names and paths of datasets.

    Its name has absolute paths, so that it is the same task in every folder. The dataset is read when its
    sizes are asked for.

    Args:
      name: what begins with `data:`.
      keys: names of the observations that are joined to one vector, where a source names them.

    Raises:
      InputError: if a name or a key is empty.
    """
    dataset = ",".join(_absolute(source) for source in sources.names(name.removeprefix(PREFIX)))
    return _task(dataset, keys_of(keys), stamps(dataset))


def take(dataset: str, keys: str) -> tuple[str, Recording] | None:
    """The origin and the recording of a dataset that was read for its sizes, once, so that it is read once.

    None where it has several sources, has changed since, or another one was read after it.
    """
    read = _read.pop((dataset, keys_of(keys)), None)
    return read[1] if read is not None and read[0] == stamps(dataset) else None


def _absolute(source: str) -> str:
    path = Path(source).expanduser()
    return str(path.absolute()) if path.exists() else source


# The newest dataset that was read for its sizes, with the stamps of its files; see `take`.
_read: dict[tuple[str, tuple[str, ...]], tuple[tuple[Stamp, ...], tuple[str, Recording]]] = {}


@functools.lru_cache(maxsize=16)
def _task(dataset: str, keys: tuple[str, ...], known: tuple[Stamp, ...]) -> Task:
    sizes = functools.cache(lambda: _spec(dataset, keys, known))
    return Task(
        name=PREFIX + dataset,
        domain="mujoco",
        environment=lambda rows, threads: _nowhere(sizes(), rows),
        transform=RewardTransform(scale=1.0, bias=0.0, failure=None),
        success=None,
        rewards=(0.0, 0.0),
        recorded=dataset,
    )


def _spec(dataset: str, keys: tuple[str, ...], known: tuple[Stamp, ...]) -> TaskSpec:
    """The sizes of a dataset. The longest episode stands for the time limit."""
    longest, spec = 1, None
    _read.clear()
    single = len(sources.names(dataset)) == 1  # several may not fit into memory together
    for source, found in sources.read_each(dataset, Wanted(keys=keys)):
        episodes = found.episodes
        if single:
            _read[dataset, keys] = known, (source, found)
        observation = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), episodes.observation
        )
        _, lengths = np.unique(episodes.episode, return_counts=True)
        longest = max(longest, int(lengths.max(initial=1)))
        spec = spec or TaskSpec(observation, unit_box(episodes.action.shape[-1]), longest)
    assert spec is not None  # a list that names nothing is refused
    return spec._replace(horizon=longest)


def _nowhere(spec: TaskSpec, rows: int) -> BatchEnv:
    """What a run has in place of environments: it begins, and cannot be stepped."""

    def reset(stream: np.ndarray) -> EnvState:
        if stream.shape != (rows, 2):
            raise ValueError(f"{rows} rows need streams of shape {(rows, 2)}, not {stream.shape}")
        step, episode = np.zeros(rows, np.int32), np.ones(rows, np.int64)
        return EnvState(None, step, np.asarray(stream, np.uint64), episode, spec.empty(rows))

    def step(state: EnvState, action: np.ndarray, active: np.ndarray) -> tuple[EnvState, Step]:
        raise ValueError("there is a dataset and no environment, so that no step can be made; train offline")

    return BatchEnv(reset, step, spec, rows)
