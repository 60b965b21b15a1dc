"""Ablation of RankQ (App. D): no pair with another row's action.

python -m experiments.train --config=experiments/configs/rankq_no_permuted.py:pointmaze-umaze \\
    --workdir=runs/rankq_no_permuted
"""

import ml_collections

from rankq_jax.configs import base


def get_config(argument: str = base.DEFAULT_TASK) -> ml_collections.ConfigDict:
    """The `rankq` agent with the phases of this arm."""
    config = base.get_config(argument, "rankq")
    config.name = "rankq_no_permuted"
    config.rankq.permuted = False
    return config
