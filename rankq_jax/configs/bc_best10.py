"""Behaviour cloning of the best tenth of the trajectories; offline alone.

python -m experiments.train --config=experiments/configs/bc_best10.py:pointmaze-umaze \\
    --workdir=runs/bc_best10
"""

import ml_collections

from rankq_jax.configs import base


def get_config(argument: str = base.DEFAULT_TASK) -> ml_collections.ConfigDict:
    """The `bc` agent with the phases of this arm."""
    config = base.get_config(argument, "bc")
    config.name = "bc_best10"
    config.keep_best = 0.1
    config.online.env_steps = 0
    return config
