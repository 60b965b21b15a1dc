"""Cal-QL+SAC: Cal-QL on the dataset, then plain SAC with the same mixing ratio.

python -m experiments.train --config=experiments/configs/cal_ql_sac.py:pointmaze-umaze \\
    --workdir=runs/cal_ql_sac
"""

import ml_collections

from rankq_jax.configs import base


def get_config(argument: str = base.DEFAULT_TASK) -> ml_collections.ConfigDict:
    """The `cal_ql` agent with the phases of this arm."""
    config = base.get_config(argument, "cal_ql")
    config.name = "cal_ql_sac"
    config.online.algorithm = "sac"
    return config
