"""The comparison of the RankQ paper on the binary hand tasks: docs/results/adroit.md.

The budget `cores` is four methods on the pen for two CPU cores, with small networks; `paper` is the published
protocol, nine arms on three hands, for an accelerator. Door and relocate have no data of their own: name
files with `--config.dataset` (see docs/datasets.md).
"""

from launch.sweep import arm
from launch.sweeps.antmaze import ARMS, SECTIONS

HANDS = ("pen", "door", "relocate")

CORES = {
    "seeds": 3,
    "actor_hidden": (128, 128),
    "critic_hidden": (128, 128),
    "actor_learning_rate": 3e-4,
    "batch_size": 256,
    "offline.updates": 6_000,
    "offline.evaluate_every": 3,
    "online.env_steps": 3_000,
    "online.evaluate_every": 0,
    "evaluation_episodes": 100,
}

BUDGETS = {
    "cores": [
        arm(name, "adroit-pen", {**CORES, f"{section}.target_rate": 0.02})
        for name, section in SECTIONS.items()
    ],
    "paper": [arm(name, f"adroit-{hand}", {"seeds": 4}) for hand in HANDS for name in ARMS],
}
