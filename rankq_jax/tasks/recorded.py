"""A task of which there is a dataset and nothing else: it can be trained on, and not acted in."""

import functools
from pathlib import Path

import jax
import numpy as np

from rankq_jax.data import sources
from rankq_jax.data.prepare import RewardTransform
from rankq_jax.specs import TaskSpec, unit_box
from rankq_jax.tasks.task import Task
from rankq_jax.types import BatchEnv, EnvState, Step

PREFIX = "data:"  # begins the names of these tasks


def named(name: str) -> Task:
    """The task of a name that begins with `data:`, which is followed by names and paths of datasets.

    Its name has absolute paths, so that it is the same task in every folder. The dataset is read when its
    sizes are asked for.

    Raises:
      InputError: if a name is empty.
    """
    found = [_absolute(source) for source in sources.names(name.removeprefix(PREFIX))]
    return _task(",".join(found), tuple(map(_stamp, found)))


def _absolute(source: str) -> str:
    path = Path(source).expanduser()
    return str(path.absolute()) if path.exists() else source


def _stamp(source: str) -> tuple[int, int]:
    """By which a file that has changed is known."""
    path = Path(source)
    if not path.exists():
        return 0, 0
    about = path.stat()
    return about.st_mtime_ns, about.st_size


@functools.lru_cache(maxsize=16)
def _task(dataset: str, stamps: tuple[tuple[int, int], ...]) -> Task:
    sizes = functools.cache(lambda: _spec(dataset))
    return Task(
        name=PREFIX + dataset,
        domain="mujoco",
        environment=lambda rows, threads: _nowhere(sizes(), rows),
        transform=RewardTransform(scale=1.0, bias=0.0, failure=None),
        success=None,
        rewards=(0.0, 0.0),
        recorded=dataset,
    )


def _spec(dataset: str) -> TaskSpec:
    """The sizes of a dataset. The longest episode stands for the time limit."""
    longest, spec = 1, None
    for _, found in sources.read_each(dataset):
        episodes = found.episodes
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
