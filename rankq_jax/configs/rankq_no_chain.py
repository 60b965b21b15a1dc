"""Ablation of RankQ (App. D): no order among the perturbed actions.

python -m experiments.train --config=experiments/configs/rankq_no_chain.py:pointmaze-umaze \\
    --workdir=runs/rankq_no_chain
"""

import ml_collections

from rankq_jax.configs import base


def get_config(argument: str = base.DEFAULT_TASK) -> ml_collections.ConfigDict:
    """The `rankq` agent with the phases of this arm."""
    config = base.get_config(argument, "rankq")
    config.name = "rankq_no_chain"
    config.rankq.chain = False
    return config
