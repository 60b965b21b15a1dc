"""Walks along a line whose goal is at 3, recorded in every format by plain numpy."""

import warnings

import h5py
import minari
import numpy as np
from gymnasium import spaces
from minari.data_collector import EpisodeBuffer

GOAL = 3.0
# Success inside and then away from the goal and back, at the end, never, and episodes of one step.
WALKS = [
    [0, 1, 2, 3, 3, 4, 3, 0, 1],
    [1, 2, 3],
    [7, 6, 5, 6],
    [2, 3],
    [8, 9],
]
SIZE = 2  # numbers of an observation: the position, and one that tells the rows apart


def reached(observation):
    return np.abs(observation[:, 0] - GOAL) < 0.5


def episodes():
    """`(observations [T + 1, 2], actions [T, 1], rewards [T], terminals [T])` of each walk."""
    result = []
    for number, walk in enumerate(WALKS):
        steps = len(walk) - 1
        observation = np.stack([np.array(walk), number + np.arange(steps + 1) / 16], axis=1).astype(
            np.float32
        )
        action = (np.arange(steps)[:, None] / 8 - 0.5 + number / 64).astype(np.float32)
        reward = reached(observation[1:]).astype(np.float64)
        terminal = np.zeros(steps, bool)
        terminal[-1] = number in (1, 3)  # the environment ended these two at their success
        result.append((observation, action, reward, terminal))
    return result


def d4rl():
    """A surplus row after each episode, a timeout, holds its final observation."""
    keys = {name: [] for name in ("observations", "actions", "rewards", "terminals", "timeouts")}
    for observation, action, reward, terminal in episodes():
        keys["observations"] += [observation]
        keys["actions"] += [action, np.zeros((1, 1), np.float32)]
        keys["rewards"] += [reward, reward[-1:]]
        keys["terminals"] += [terminal, [False]]
        keys["timeouts"] += [np.zeros(len(action), bool), [True]]
    return {key: np.concatenate(parts) for key, parts in keys.items()}


def own():
    """All there is, nothing implied."""
    parts = episodes()
    ends = [np.arange(len(action)) == len(action) - 1 for _, action, _, _ in parts]
    terminals = np.concatenate([terminal for *_, terminal in parts])
    return {
        "observations": np.concatenate([observation[:-1] for observation, *_ in parts]),
        "next_observations": np.concatenate([observation[1:] for observation, *_ in parts]),
        "actions": np.concatenate([action for _, action, _, _ in parts]),
        "rewards": np.concatenate([reward for _, _, reward, _ in parts]),
        "terminals": terminals,
        "timeouts": np.concatenate(ends) & ~terminals,
    }


def ogbench():
    arrays = d4rl()
    return {
        "observations": arrays["observations"],
        "actions": arrays["actions"],
        "terminals": arrays["timeouts"].astype(np.float32),
    }


def write_minari(name, dictionary=False, infos=lambda observation: {}):
    """A dataset of that name below Minari's root; `dictionary` splits the position off as achieved goal."""
    box = spaces.Box(-np.inf, np.inf, (SIZE,), np.float32)
    one = spaces.Box(-np.inf, np.inf, (1,), np.float32)
    space = spaces.Dict(achieved_goal=one, desired_goal=one, observation=one) if dictionary else box
    buffers = []
    for number, (observation, action, reward, terminal) in enumerate(episodes()):
        split = {
            "achieved_goal": observation[:, :1],
            "desired_goal": np.full_like(observation[:, :1], GOAL),
            "observation": observation[:, 1:],
        }
        buffers.append(
            EpisodeBuffer(
                id=number,
                observations=split if dictionary else observation,
                actions=action,
                rewards=reward,
                terminations=terminal,
                truncations=np.arange(len(action)) == len(action) - 1,
                infos={"success": np.append(False, reached(observation[1:])), **infos(observation)},
            )
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # no author, no code: Minari would like to know
        minari.create_dataset_from_buffers(name, buffers, observation_space=space, action_space=one)
    return name


def save(path, arrays):
    """`arrays` in the container of the suffix."""
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        with h5py.File(path, "w") as file:
            for key, array in arrays.items():
                file[key] = array
    return path


def expected(gamma, scale, bias):
    """What learning for the goal at 3 needs, step by step: the columns of a `Transition` by name."""
    columns = {
        name: []
        for name in (
            "observation",
            "action",
            "reward",
            "discount",
            "next_observation",
            "success",
            "mc_return",
        )
    }
    for observation, action, _, _ in episodes():
        segments, running = [], []
        for t in range(len(action)):
            if abs(observation[t, 0] - GOAL) < 0.5:  # no environment that ends there starts there
                segments.append(running)
                running = []
                continue
            running.append(t)
            if abs(observation[t + 1, 0] - GOAL) < 0.5:
                segments.append(running)
                running = []
        for rows in [*segments, running]:
            for t in rows:
                wins = abs(observation[rows[-1] + 1, 0] - GOAL) < 0.5
                left = rows[-1] - t
                columns["observation"].append(observation[t])
                columns["next_observation"].append(observation[t + 1])
                columns["action"].append(action[t])
                columns["reward"].append(scale * (wins and left == 0) + bias)
                columns["discount"].append(0.0 if wins and left == 0 else gamma)
                columns["success"].append(float(wins))
                to_goal = sum(gamma**k * bias for k in range(left)) + gamma**left * (scale + bias)
                columns["mc_return"].append(to_goal if wins else bias / (1 - gamma))
    return {name: np.array(values) for name, values in columns.items()}
