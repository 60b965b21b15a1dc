"""Recordings whose truth is known row by row, in every format that is read, by plain numpy."""

import json
from typing import NamedTuple

import h5py
import numpy as np

FORMATS = ("surplus", "plain", "terminals", "next", "episode_id", "ogbench", "ogbench_next", "minari")
TASKS = ("adroit-door", "adroit-pen", "pointmaze-umaze", "expert-pen")


class Truth(NamedTuple):
    """Episodes as they happened: lists over episodes of `[T + 1, o]`, `[T, a]` and `[T]`."""

    observations: list
    actions: list
    success: list


def walk(random, span, joints, steps):
    """`[steps + 1, joints]`, a way from zero, where resets put a hand, to anywhere within `+-span / 2`."""
    way = np.linspace(0, 1, steps + 1)[:, None] * random.uniform(-1, 1, joints)
    way[1:] += random.uniform(-0.02, 0.02, (steps, joints))
    return span / 2 * np.clip(way, -1, 1)


def hand(random, name, steps, wins):
    joints, size = (27, 39) if name == "adroit-door" else (24, 45)
    o = random.uniform(-0.02, 0.02, (steps + 1, size)) + random.normal(0, 0.01, size)
    span = 1.4 if name == "adroit-door" else 1.0
    o[:, :joints] = walk(random, span, joints, steps)
    after = np.arange(steps + 1) > (steps // 2 if wins else steps)
    if name == "adroit-door":
        o[:, 28] = np.where(after, 1.4, 0.3)
    else:
        o[:, 33:39] = [0, 0, 1, 0, 0, 1]
        o[:, 39:42] = np.where(after[:, None], 0.01, 0.2)
    return o, after[1:]


def maze(random, steps, wins):
    """In the cell of the goal, or in the one at the other end of the U maze."""
    goal = GOAL if wins else OTHER
    side = random.choice([-1.0, 1.0], 2)
    way = np.maximum(1 - np.arange(steps + 1) / max(steps - 2, 10), 0)[:, None] * 0.48 * side
    o = np.zeros((steps + 1, 4))
    o[:, :2] = goal + (way if wins else 0.45 * side) + random.uniform(-0.015, 0.015, (steps + 1, 2))
    reached = np.linalg.norm(o[:, :2] - GOAL, axis=1) <= RADIUS
    return o, reached[1:]


GOAL, OTHER, RADIUS = np.array([-1.0, -1.0]), np.array([-1.0, 1.0]), 0.45


def record(random, name):
    """A few episodes of a task, some of which succeed."""
    count = int(random.integers(3, 7))
    wins = random.permutation(np.arange(count) % 2 == 0)
    truth = Truth([], [], [])
    for won in wins:
        steps = int(random.integers(12, 40))
        made = maze(random, steps, won) if "maze" in name else hand(random, name, steps, won)
        actions = {"adroit-door": 28, "pointmaze-umaze": 2}.get(name, 24)
        truth.observations.append(made[0].astype(np.float32))
        truth.actions.append(random.uniform(-1, 1, (steps, actions)).astype(np.float32))
        truth.success.append(made[1])
    return truth


def rewards(name, success):
    if name == "expert-pen":
        return np.linspace(0.1, 0.9, len(success))
    low, high = (0.0, 1.0) if "maze" in name else (-1.0, 0.0)
    return np.where(success, high, low)


def flat(truth, name, layout):
    """The arrays of a file in one of the flat layouts."""
    rows = {key: [] for key in ("observations", "actions", "rewards", "terminals", "timeouts")}
    following, numbers, labels = [], [], []
    surplus = layout in ("surplus", "ogbench")
    for number, (o, a, s) in enumerate(zip(*truth, strict=True)):
        steps = len(a)
        last = np.arange(steps) == steps - 1
        extra = int(surplus)
        rows["observations"].append(o if surplus else o[:-1])
        rows["actions"].append(np.concatenate([a, np.zeros((extra, a.shape[1]), np.float32)]))
        rows["rewards"].append(np.concatenate([rewards(name, s), np.zeros(extra) + rewards(name, s)[-1]]))
        rows["terminals"].append(np.append(last & (layout == "terminals"), np.zeros(extra, bool)))
        rows["timeouts"].append(
            np.append(last & (not surplus and layout != "terminals"), np.ones(extra, bool))
        )
        following.append(o[1:])
        numbers.append(np.full(steps, number))
        labels.append(np.append(s, np.zeros(extra, bool)))
    arrays = {key: np.concatenate(parts) for key, parts in rows.items()}
    arrays["infos/success"] = np.concatenate(labels)
    if layout in ("next", "episode_id", "ogbench_next"):
        arrays["next_observations"] = np.concatenate(following)
    if layout == "episode_id":
        arrays["episode_id"] = np.concatenate(numbers)
    if layout.startswith("ogbench"):
        kept = ("observations", "actions", "next_observations")
        ends = arrays["timeouts"] | arrays["terminals"]
        arrays = {key: arrays[key] for key in kept if key in arrays} | {"terminals": ends}
    return arrays


def minari_groups(truth, name):
    """The columns of each episode of a Minari dataset."""
    return [
        {
            "observations": o,
            "actions": a,
            "rewards": rewards(name, s),
            "terminations": np.zeros(len(a), bool),
            "truncations": np.arange(len(a)) == len(a) - 1,
            "infos/success": np.append(False, s),
        }
        for o, a, s in zip(*truth, strict=True)
    ]


def write_minari(folder, groups, sizes):
    """A Minari dataset in HDF5, without Minari."""

    def space(size, limit):
        return json.dumps(
            {
                "type": "Box",
                "dtype": "float32",
                "shape": [size],
                "low": [-limit] * size,
                "high": [limit] * size,
            }
        )

    (folder / "data").mkdir(parents=True)
    lengths = [len(group.get("actions", ())) for group in groups]
    steps = sum(lengths)
    with h5py.File(folder / "data" / "main_data.hdf5", "w") as file:
        for number, group in enumerate(groups):
            entry = file.create_group(f"episode_{number}")
            entry.attrs["id"], entry.attrs["total_steps"] = number, lengths[number]
            for key, array in group.items():
                entry[key] = array
        file.attrs["total_episodes"], file.attrs["total_steps"] = len(groups), steps
    about = {"total_episodes": len(groups), "total_steps": steps, "data_format": "hdf5"}
    about |= {"dataset_id": "fuzz/made-v0", "minari_version": "0.5.4"}
    about["observation_space"] = space(sizes[0], float("inf"))
    about["action_space"] = space(sizes[1], 1.0)
    (folder / "data" / "metadata.json").write_text(json.dumps(about))
    return folder


def write_flat(path, arrays):
    """`arrays` as npz or HDF5, by the suffix."""
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        with h5py.File(path, "w") as file:
            for key, array in arrays.items():
                file[key] = array
    return path
