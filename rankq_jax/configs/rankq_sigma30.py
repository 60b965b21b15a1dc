"""Ablation of RankQ (App. D): noise twice as large, sigma 0.30.

python -m experiments.train --config=experiments/configs/rankq_sigma30.py:pointmaze-umaze \\
    --workdir=runs/rankq_sigma30
"""

import ml_collections

from rankq_jax.configs import base


def get_config(argument: str = base.DEFAULT_TASK) -> ml_collections.ConfigDict:
    """The `rankq` agent with the phases of this arm."""
    config = base.get_config(argument, "rankq")
    config.name = "rankq_sigma30"
    config.rankq.sigma = 0.30
    return config
