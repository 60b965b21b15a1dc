"""Gym-MuJoCo: TD3+BC, IQL, AWAC and CQL offline, and the table of the OAP paper: docs/results/mujoco.md.

The budget `cores` is two datasets and short runs for two CPU cores, `short` the part of it in the document;
`paper` is the published lengths for an accelerator: offline on nine datasets, OAP on the three of kind
medium. Each of these has an expert, SAC from scratch as long as the online phases of the other schemes (in
the paper three million steps). Medium-replay data is the replay of a training: write your files (see
docs/datasets.md) into `DATASETS`.
"""

from collections.abc import Mapping

from rankq_jax.launch import Job, arm

SEEDS = 3
OFFLINE = ("td3_bc", "iql", "awac", "cql")
OAP = {"td3_bc": "oap_td3_bc", "iql": "oap_iql"}
SCHEMES = ("online", "online_mix", "offline_to_online")  # table 1 of the OAP paper, beside offline and OAP
NEEDS_DATA = {"iql": ("online_mix", "offline_to_online")}  # whose rewards are scaled by those of a dataset
ROBOTS = ("halfcheetah", "hopper", "walker2d")
KINDS = ("medium", "medium-replay", "medium-expert")

DATASETS = {f"{robot}-medium-replay": "" for robot in ROBOTS}  # paths, several with commas between

# Budget `cores`.
SHORT = ("hopper-medium", "halfcheetah-medium")
UPDATES, STEPS = 20_000, 20_000
CORES = {"dataset_steps": 200_000, "offline.updates": UPDATES, "offline.evaluate_every": 5}
CORES_ONLINE = {"dataset_steps": 200_000, "online.env_steps": STEPS}
CORES_QUERIES = {"preferences.query_limit": UPDATES // 10, "preferences.query_interval": UPDATES // 10}


def _common(task: str) -> dict[str, object]:
    return {"seeds": SEEDS} | ({"dataset": DATASETS[task]} if DATASETS.get(task) else {})


def _offline(task: str, lengths: Mapping[str, object], names: tuple[str, ...] = OFFLINE) -> list[Job]:
    return [arm(name, f"{task},offline", {**_common(task), **lengths}, f"{name}_offline") for name in names]


def _oap(
    task: str, lengths: Mapping[str, object], online: Mapping[str, object], queries: Mapping[str, object]
) -> list[Job]:
    """The expert, the schemes that step, and OAP; with the offline runs these are the five schemes."""
    expert = arm("sac", task, {"seeds": SEEDS, **online}, "expert")
    jobs = [expert]
    for name, asking in OAP.items():
        for scheme in NEEDS_DATA.get(name, SCHEMES):
            own = {**(lengths if scheme == "offline_to_online" else {}), **online}
            jobs.append(arm(name, f"{task},{scheme}", {**_common(task), **own}, f"{name}_{scheme}"))
        own = {**lengths, **queries, "preferences.expert": f"{{out}}/{expert.name}"}
        jobs.append(arm(asking, task, {**_common(task), **own}))
    return jobs


_MEDIUM = [f"{robot}-medium" for robot in ROBOTS]

BUDGETS = {
    "short": [job for name in OFFLINE[:2] for task in SHORT for job in _offline(task, CORES, (name,))],
    "cores": [
        *(job for name in OFFLINE for task in SHORT for job in _offline(task, CORES, (name,))),
        *(job for task in SHORT for job in _oap(task, CORES, CORES_ONLINE, CORES_QUERIES)),
    ],
    "paper": [
        *(job for robot in ROBOTS for kind in KINDS for job in _offline(f"{robot}-{kind}", {})),
        *(job for task in _MEDIUM for job in _oap(task, {}, {}, {})),
    ],
}
