"""SAC+OFF: SAC on the dataset, then SAC on one merged buffer that starts as the dataset.

python -m experiments.train --config=experiments/configs/sac_off.py:pointmaze-umaze --workdir=runs/sac_off
"""

import ml_collections

from rankq_jax.configs import base


def get_config(argument: str = base.DEFAULT_TASK) -> ml_collections.ConfigDict:
    """The `sac` agent with the phases of this arm."""
    config = base.get_config(argument, "sac")
    config.name = "sac_off"
    config.online.mixing_ratio = -1.0
    return config
