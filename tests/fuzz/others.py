"""Recordings of known truth in the layouts of other libraries, one or two mutations in each file.

The mutations know the names of D4RL; a layout renames what they leave.
"""

import json
from importlib.util import find_spec

import h5py
import numpy as np

from tests.fuzz import recorded

NAMES = {
    "neorl": {
        "observations": "obs", "next_observations": "next_obs", "actions": "action", "rewards": "reward",
        "terminals": "done", "timeouts": "truncated",
    },
    "imitation": {"observations": "obs", "actions": "acts", "rewards": "rews"},
    "stable_baselines": {"observations": "obs"},
    "single_task": {},
    "d3rlpy_first": {},
    "mapping": {"observations": "o", "next_observations": "after", "actions": "a", "infos/success": "won"},
    "robomimic": {"observations": "obs/state", "next_observations": "next_obs/state", "terminals": "dones"},
    "d3rlpy_second": {},
    "lerobot": {
        "observations": "observation.state", "actions": "action", "rewards": "next.reward",
        "terminals": "next.done", "infos/success": "next.success",
    },
}  # fmt: skip
FORMATS = tuple(name for name in NAMES if name != "lerobot" or find_spec("pyarrow"))
BY_EPISODE = ("robomimic", "d3rlpy_second", "lerobot")


def tasks(layout):
    """The tasks that a layout has recordings of; OGBench's single tasks are mazes."""
    return ("pointmaze-umaze",) if layout == "single_task" else recorded.TASKS


def episodes(truth, name):
    """The columns of each episode, by the names of D4RL."""
    made = []
    for o, a, s in zip(*truth, strict=True):
        last = np.arange(len(a)) == len(a) - 1
        made.append(
            {
                "observations": o[:-1],
                "next_observations": o[1:],
                "actions": a,
                "rewards": recorded.rewards(name, s),
                "terminals": last & s[-1],
                "timeouts": last & ~s[-1],
                "infos/success": s,
            }
        )
    return made


def flat(truth, name, layout):
    """The arrays of a file of one of the flat layouts, before they are renamed."""
    parts = episodes(truth, name)
    arrays = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    last = arrays["terminals"] | arrays["timeouts"]
    starts = np.append(True, last[:-1])
    kept = ("observations", "actions", "rewards")
    if layout == "neorl":
        arrays["index"] = np.flatnonzero(starts)
        kept = (*kept, "next_observations", "terminals", "timeouts", "index")
    elif layout == "imitation":
        arrays["observations"] = np.concatenate(truth.observations)
        arrays["indices"], arrays["terminal"] = np.flatnonzero(starts)[1:], arrays["terminals"][last]
        kept = (*kept, "indices", "terminal")
    elif layout == "stable_baselines":
        arrays["episode_starts"] = starts
        kept = (*kept, "episode_starts")
    elif layout == "single_task":
        before = np.concatenate([np.append(False, s[:-1]) for s in truth.success])
        arrays |= {"rewards": before - 1.0, "masks": 1.0 - before, "terminals": last.astype(np.float32)}
        kept = (*kept, "next_observations", "terminals", "masks")
    elif layout == "d3rlpy_first":
        arrays["episode_terminals"] = last.astype(np.float32)
        kept = (*kept, "terminals", "episode_terminals")
    else:
        kept = tuple(arrays)
    return {key: arrays[key] for key in kept}


def write_flat(folder, random, layout, arrays):
    """A file of one of the flat layouts."""
    names = NAMES[layout]
    renamed = {names.get(key, key): array for key, array in arrays.items()}
    suffix = ".hdf5" if layout == "d3rlpy_first" else ".npz"
    path = recorded.write_flat(folder / f"set{suffix}", renamed)
    if layout != "mapping":
        return path
    about = {{"infos/success": "success"}.get(key, key): names.get(key, key) for key in names | arrays}
    if random.random() < 0.3:
        gone = random.choice(sorted(about))
        about = {key: value for key, value in about.items() if key != gone}
    if random.random() < 0.2:
        about[str(random.choice(sorted(about)))] = str(random.choice(["o", "nothing", "timeouts"]))
    (folder / "set.json").write_text(json.dumps({**about, "file": path.name}))
    return folder / "set.json"


def write_parts(folder, random, layout, parts):
    """A file of one of the layouts with arrays for each episode."""
    names = NAMES[layout]
    if layout == "lerobot":
        return _write_lerobot(folder / "set", random, [_renamed(part, names) for part in parts])
    with h5py.File(folder / "set.hdf5", "w") as file:
        if layout == "robomimic":
            for number, part in enumerate(parts):
                group = file.create_group(f"data/demo_{number}")
                for key, array in _renamed(part, names).items():
                    group[key] = array
        else:
            file["columns"], file["num_episodes"] = ["observations", "actions"], len(parts)
            for number, part in enumerate(parts):
                ended = np.asarray(part.get("terminals", [False])).ravel()
                kept = {key: part[key] for key in ("observations", "actions", "rewards") if key in part}
                for key, array in {**kept, "terminated": bool(ended[-1:].any())}.items():
                    file[f"{key}_{number}"] = array
    return folder / "set.hdf5"


def _renamed(part, names):
    return {names.get(key, key): array for key, array in part.items()}


def _write_lerobot(folder, random, parts):
    import pyarrow
    from pyarrow import parquet

    (folder / "meta").mkdir(parents=True)
    rows, features = 0, {}
    for number, part in enumerate(parts):
        part = {
            key: np.asarray(array)
            for key, array in part.items()
            if key.startswith(("observation", "action", "next"))
        }
        steps = max((len(array) for array in part.values() if array.ndim), default=0)
        part["episode_index"], part["frame_index"] = np.full(steps, number), np.arange(steps)
        try:
            cells = {
                key: array.tolist() for key, array in part.items() if array.dtype.kind != "c" and array.ndim
            }
            table = pyarrow.table({key: value for key, value in cells.items() if len(value) == steps})
            path = folder / f"data/chunk-000/episode_{number:06d}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            parquet.write_table(table, path)
        except (pyarrow.ArrowException, TypeError, OverflowError):
            continue  # what arrow cannot hold is in no file
        rows += steps
        shapes = {key: list(array.shape[1:]) or [1] for key, array in part.items()}
        features |= {
            key: {"dtype": "float32", "shape": shape} for key, shape in shapes.items() if 0 not in shape
        }
    about = {"codebase_version": str(random.choice(["v2.1", "v3.0"])), "features": features}
    about |= {"total_frames": rows, "total_episodes": len(parts)}
    (folder / "meta" / "info.json").write_text(json.dumps(about))
    return folder
