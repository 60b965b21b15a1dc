"""The comparison of the RankQ paper on the binary hand tasks: docs/results/adroit.md.

The budget `cores` is four methods on the pen for two CPU cores, with small networks; `paper` is the published
protocol, nine arms on three hands as Cal-QL's code reads the data, for an accelerator. Door and relocate have
no data of their own: write your files (see docs/datasets.md) into `DATASETS`.
"""

from launch.sweeps import antmaze
from launch.sweeps.antmaze import ARMS, SECTIONS
from rankq_jax.launch import arm

HANDS = ("pen", "door", "relocate")

DATASETS = {"door": "", "relocate": ""}  # paths, several with commas between


def _dataset(hand: str) -> dict[str, str]:
    return {"dataset": DATASETS[hand]} if DATASETS.get(hand) else {}


CORES = {**antmaze.CORES, "dataset_steps": 52_500, "batch_size": 256, "evaluation_episodes": 100}

BUDGETS = {
    "cores": [
        arm(name, "adroit-pen", {**CORES, f"{section}.target_rate": 0.02})
        for name, section in SECTIONS.items()
    ],
    "paper": [
        arm(name, f"adroit-{hand},paper", {"seeds": 4, **_dataset(hand)}) for hand in HANDS for name in ARMS
    ],
}
