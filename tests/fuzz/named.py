"""Recordings whose observations are dictionaries: each vector is stored as two named entries."""

from collections.abc import Mapping

import numpy as np

from rankq_jax import tasks
from rankq_jax.environments import BatchEnv
from rankq_jax.specs import vector

ENTRIES = ("place", "rest")
CUT = 3  # numbers of the first entry
SHARE = 0.4  # of the files in which something is wrong with one entry
# `dict` is read by the names of its entries as vectors, `dict_task` by a task whose observations are named.
FORMATS = ("dict", "dict_task")


def joined(observation):
    """The vectors of observations in either form."""
    if isinstance(observation, Mapping):
        observation = np.concatenate([observation[name] for name in ENTRIES], axis=1)
    return np.asarray(observation)


def task_of(name, layout):
    """The task, whose observations are a dictionary for `dict_task`."""
    task = tasks.find(name)
    if layout != "dict_task":
        return task
    sizes = CUT, task.spec.observation_size - CUT
    named = {entry: vector(size, np.float32) for entry, size in zip(ENTRIES, sizes, strict=True)}
    env = BatchEnv(reset=None, step=None, spec=task.spec._replace(observation=named), rows=1)
    success = task.success and (lambda observation: task.success(joined(observation)))
    return task._replace(environment=lambda rows, threads: env, success=success, scene=None, limits=())


def keys_of(layout):
    """What a user writes to have the entries joined."""
    return "+".join(ENTRIES) if layout == "dict" else ""


def split(random, arrays):
    """Arrays by the names of D4RL with observations in two entries, one of which may be spoiled."""
    found = {}
    for key, array in arrays.items():
        if key in ("observations", "next_observations") and array.ndim == 2 and array.shape[1] > CUT:
            found |= {f"{key}/{ENTRIES[0]}": array[:, :CUT], f"{key}/{ENTRIES[1]}": array[:, CUT:]}
        else:
            found[key] = array
    entries = [key for key in found if "/" in key and key.startswith(("observations", "next_"))]
    if entries and random.random() < SHARE:
        _spoil(random, found, str(random.choice(entries)))
    return found


def _spoil(random, found, key):
    array, kind = found.pop(key), int(random.integers(6))
    if kind == 0:
        found[f"{key}s"] = array
    elif kind == 1:
        found[key] = array[: len(array) // 2]
    elif kind == 2:
        found[key] = array[:, :-1]
    elif kind == 3:
        found[key] = array.astype(random.choice(["int32", "S4", "complex64"]))
    elif kind == 4:
        found[f"{key}/inner"] = array
    # else it is missing
