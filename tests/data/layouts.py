"""The walks of `recordings` in the layouts of other libraries, written by h5py and numpy."""

import json

import h5py
import numpy as np

from tests.data import recordings


def parts(others=()):
    """The episodes of `recordings`, and others like them."""
    return [*recordings.episodes(), *others]


def robomimic(path, episodes, next_obs=True, split=False, done="both"):
    """As robomimic's dataset_states_to_obs.py; `split` names the two numbers of an observation apart."""

    def named(observation):
        return {"object": observation[:, :1], "eef": observation[:, 1:]} if split else {"object": observation}

    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = json.dumps({"env_name": "Lift"})
        # Groups are listed by name, so that demo_10 comes before demo_2 there.
        for number, (observation, action, reward, _) in enumerate(episodes):
            group = data.create_group(f"demo_{number}")
            group.attrs["num_samples"] = len(action)
            group["actions"], group["rewards"] = action, reward
            group["states"] = np.zeros((len(action), 3))
            ends = np.arange(len(action)) == len(action) - 1
            group["dones"] = {"both": ends | (reward > 0), "ends": ends, "none": 0 * ends}[done].astype(int)
            for kind, seen in (("obs", observation[:-1]), ("next_obs", observation[1:])):
                for name, array in named(seen).items() if next_obs or kind == "obs" else ():
                    group[f"{kind}/{name}"] = array
    return path


def d3rlpy_first(path, episodes):
    """As d3rlpy 1's MDPDataset.dump."""
    ends = [np.arange(len(action)) == len(action) - 1 for _, action, *_ in episodes]
    with h5py.File(path, "w") as file:
        file["observations"] = np.concatenate([observation[:-1] for observation, *_ in episodes])
        file["actions"] = np.concatenate([action for _, action, *_ in episodes])
        file["rewards"] = np.concatenate([reward for *_, reward, _ in episodes]).astype(np.float32)
        file["terminals"] = np.concatenate([terminal for *_, terminal in episodes]).astype(np.float32)
        file["episode_terminals"] = np.concatenate(ends).astype(np.float32)
        file["discrete_action"] = False
        file["version"] = "1.0"
    return path


def d3rlpy_second(path, episodes, split=False):
    """As d3rlpy 2's dump."""
    with h5py.File(path, "w") as file:
        file["columns"] = ["observations", "actions", "rewards", "terminated"]
        file["num_episodes"], file["version"] = len(episodes), "2.1"
        for number, (observation, action, reward, terminal) in enumerate(episodes):
            if split:
                file[f"observations_{number}_0"] = observation[:-1, :1]
                file[f"observations_{number}_1"] = observation[:-1, 1:]
            else:
                file[f"observations_{number}"] = observation[:-1]
            file[f"actions_{number}"], file[f"rewards_{number}"] = action, reward[:, None]
            file[f"terminated_{number}"] = bool(terminal[-1])
    return path


def neorl_arrays(episodes, truncated=False, index=True):
    lengths = [len(action) for _, action, *_ in episodes]
    arrays = {
        "obs": np.concatenate([observation[:-1] for observation, *_ in episodes]),
        "next_obs": np.concatenate([observation[1:] for observation, *_ in episodes]),
        "action": np.concatenate([action for _, action, *_ in episodes]),
        "reward": np.concatenate([reward for *_, reward, _ in episodes])[:, None],
        "done": np.concatenate([terminal for *_, terminal in episodes])[:, None],
    }
    ends = np.isin(np.arange(sum(lengths)), np.cumsum(lengths) - 1)
    if truncated:
        arrays["truncated"] = (ends & ~arrays["done"][:, 0])[:, None]
    if index:
        arrays["index"] = np.append(0, np.cumsum(lengths)[:-1])
    return arrays


def imitation_arrays(episodes, rewards=True):
    """As `imitation` writes them; its `infos` are pickled objects."""
    lengths = [len(action) for _, action, *_ in episodes]
    arrays = {
        "obs": np.concatenate([observation for observation, *_ in episodes]),
        "acts": np.concatenate([action for _, action, *_ in episodes]),
        "infos": np.array([{}] * sum(lengths), object),
        "terminal": np.array([terminal[-1] for *_, terminal in episodes]),
        "indices": np.cumsum(lengths)[:-1],
    }
    if rewards:
        arrays["rews"] = np.concatenate([reward for *_, reward, _ in episodes]).astype(np.float32)
    return arrays


def stable_baselines_arrays(episodes):
    lengths = [len(action) for _, action, *_ in episodes]
    starts = np.isin(np.arange(sum(lengths)), np.append(0, np.cumsum(lengths)[:-1]))
    return {
        "obs": np.concatenate([observation[:-1] for observation, *_ in episodes]),
        "actions": np.concatenate([action for _, action, *_ in episodes]),
        "rewards": np.concatenate([reward for *_, reward, _ in episodes]),
        "episode_returns": np.array([reward.sum() for *_, reward, _ in episodes]),
        "episode_starts": starts,
    }


def single_task_arrays(episodes, compact=False):
    """As OGBench's loader and relabel_dataset return them: a success of the state, not of the next one."""
    seen, following, actions, ends, valid = [], [], [], [], []
    for observation, action, *_ in episodes:
        steps = len(action)
        seen.append(observation if compact else observation[:-1])
        following.append(observation[1:])
        actions.append(np.concatenate([action, np.zeros((int(compact), 1), np.float32)]))
        rows = np.arange(steps + compact)
        ends.append(rows >= steps - 1)
        valid.append(rows < steps)
    observation = np.concatenate(seen)
    success = recordings.reached(observation).astype(np.float32)
    arrays = {
        "observations": observation,
        "actions": np.concatenate(actions),
        "terminals": np.concatenate(ends).astype(np.float32),
        "rewards": success - 1.0,
        "masks": 1.0 - success,
    }
    other = {"valids": np.concatenate(valid).astype(np.float32)}
    return arrays | (other if compact else {"next_observations": np.concatenate(following)})
