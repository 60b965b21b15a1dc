"""What a run has collected, as recorded episodes: the rows of its replay buffers."""

from pathlib import Path

import jax
import numpy as np

from rankq_jax import configs
from rankq_jax.checkpoints import Checkpoints
from rankq_jax.data.episodes import concatenate
from rankq_jax.errors import InputError
from rankq_jax.tasks import Task
from rankq_jax.training import build
from rankq_jax.training.restore import recorded
from rankq_jax.types import Episodes, Transition


def episodes_of(folder: Path) -> Episodes:
    """The episodes that the replay buffers of a run hold at its newest checkpoint, seed after seed.

    They are those that had ended by then; where a buffer has overflowed the oldest are gone. Observations and
    actions are as they were replayed: in float32, and clipped to 0.99999.

    Args:
      folder: the `--workdir`.

    Raises:
      InputError: if the folder is no run's or holds no replayed rows, if its observations are no vectors, or
        if its rewards are scaled by a dataset.
    """
    config = recorded(folder)
    if config.reward_scaling != "given":
        raise InputError(
            f"{folder}: config.reward_scaling={config.reward_scaling}, and what the rewards were is not "
            "recorded; choose a run with config.reward_scaling=given."
        )
    task = configs.task_of(config)
    if not task.spec.flat:
        raise InputError(
            f"{folder}: observations of task {task.name!r} are {task.spec.words[0]}; only the replay of "
            "vectors becomes a dataset."
        )
    checkpoints = Checkpoints(folder / "checkpoints", reading=True)
    try:
        segments = checkpoints.restore({}, build.example(config, task)).rows
    except FileNotFoundError as error:
        raise InputError(f"{folder}: holds no checkpoint yet; train it first.") from error
    finally:
        checkpoints.close()
    parts = []
    for seed in range(config.seeds):
        rows = [segment.data[seed] for segment in segments if len(segment.data[seed].reward)]
        if rows:
            whole: Transition = jax.tree.map(lambda *leaves: np.concatenate(leaves), *rows)
            raw = (whole.reward.astype(np.float64) - config.reward_bias) / config.reward_scale
            parts.append(_episodes(whole, raw, task))
    if not parts:
        raise InputError(f"{folder}: its replay buffers are empty; choose a run with an online phase.")
    return concatenate(parts)


def _episodes(rows: Transition, raw: np.ndarray, task: Task) -> Episodes:
    """The rows of one seed, in the order in which they were replayed; they end where the next ones begin."""
    terminated = rows.discount == 0.0
    apart = np.zeros(len(raw) - 1, bool)
    leaves = zip(jax.tree.leaves(rows.next_observation), jax.tree.leaves(rows.observation), strict=True)
    for following, own in leaves:
        apart |= (following[:-1] != own[1:]).any(axis=tuple(range(1, own.ndim)))
    last = terminated | np.append(apart, True)
    judge = task.success
    return Episodes(
        observation=rows.observation,
        action=rows.action,
        reward=raw,
        next_observation=rows.next_observation,
        terminated=terminated,
        truncated=last & ~terminated,
        success=np.zeros(len(raw), bool) if judge is None else judge(rows.next_observation),
        episode=np.cumsum(np.append(False, last[:-1])),
        info={},
    )
