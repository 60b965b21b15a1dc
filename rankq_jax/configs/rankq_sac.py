"""RankQ+SAC: RankQ on the dataset, then plain SAC with the same mixing ratio.

python -m experiments.train --config=experiments/configs/rankq_sac.py:pointmaze-umaze \\
    --workdir=runs/rankq_sac
"""

import ml_collections

from rankq_jax.configs import base


def get_config(argument: str = base.DEFAULT_TASK) -> ml_collections.ConfigDict:
    """The `rankq` agent with the phases of this arm."""
    config = base.get_config(argument, "rankq")
    config.name = "rankq_sac"
    config.online.algorithm = "sac"
    return config
