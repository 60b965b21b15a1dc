"""The comparison of the RankQ paper on the binary hand tasks: docs/results/adroit.md.

The budget `cores` is four methods on the pen for two CPU cores, with small networks; `paper` is the published
protocol, nine arms on three hands as Cal-QL's code reads the data, for an accelerator. Door and relocate have
no data of their own: write your files (see docs/datasets.md) into `DATASETS`.
`accelerator` has cells for a quarter of an hour of such a device (docs/launching.md): the experts of door and
ball, SAC on their dense rewards, then the pen. `accelerator_smoke` is the same in seconds. An expert has a
replay that is too large to be handed on, so that one which is cut begins anew.
"""

from launch.sweeps import antmaze
from launch.sweeps.antmaze import ARMS, SECTIONS
from rankq_jax.launch import Job, arm

HANDS = ("pen", "door", "relocate")

DATASETS = {"door": "", "relocate": ""}  # paths, several with commas between


def _dataset(hand: str) -> dict[str, str]:
    return {"dataset": DATASETS[hand]} if DATASETS.get(hand) else {}


CORES = {**antmaze.CORES, "dataset_steps": 52_500, "batch_size": 256, "evaluation_episodes": 100}

# 400,000 updates of four seeds, which an H200 makes in 2 to 3 minutes; the physics of 16 cores takes 1.
EXPERT = {"seeds": 4, "online.env_steps": 800_000, "online.evaluate_every": 40}


def _cells(word: str = "") -> list[Job]:
    """Experts of the hands that have no data, then the arms of `SECTIONS` on the pen."""
    small = bool(word)
    experts = [arm("sac", f"expert-{hand}{word}", {} if small else EXPERT) for hand in ("door", "relocate")]
    values = antmaze.QUARTER | {
        "offline.updates": 150_000,
        "offline.evaluate_every": 25,
        "online.evaluate_every": 5,
    }
    return experts + [arm(name, f"adroit-pen{word}", {} if small else values) for name in SECTIONS]


BUDGETS = {
    "accelerator": _cells(),
    "accelerator_smoke": _cells(",smoke"),
    "cores": [
        arm(name, "adroit-pen", {**CORES, f"{section}.target_rate": 0.02})
        for name, section in SECTIONS.items()
    ],
    "paper": [
        arm(name, f"adroit-{hand},paper", {"seeds": 4, **_dataset(hand)}) for hand in HANDS for name in ARMS
    ],
}
