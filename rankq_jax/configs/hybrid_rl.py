"""Hybrid RL: SAC on the dataset, then SAC with half offline, half online batches.

The idea of Song et al. (arXiv 2210.06718) on SAC, as the RankQ paper compares with it.

python -m experiments.train --config=experiments/configs/hybrid_rl.py:pointmaze-umaze \\
    --workdir=runs/hybrid_rl
"""

import ml_collections

from rankq_jax.configs import base


def get_config(argument: str = base.DEFAULT_TASK) -> ml_collections.ConfigDict:
    """The `sac` agent with the phases of this arm."""
    config = base.get_config(argument, "sac")
    config.name = "hybrid_rl"
    config.online.mixing_ratio = 0.5
    return config
