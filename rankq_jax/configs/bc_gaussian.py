"""Behaviour cloning of a Gaussian policy by likelihood; offline alone.

python -m experiments.train --config=experiments/configs/bc_gaussian.py:pointmaze-umaze \\
    --workdir=runs/bc_gaussian
"""

import ml_collections

from rankq_jax.configs import base


def get_config(argument: str = base.DEFAULT_TASK) -> ml_collections.ConfigDict:
    """The `bc` agent with the phases of this arm."""
    config = base.get_config(argument, "bc")
    config.name = "bc_gaussian"
    config.networks = "iql"  # its Gaussian: the mean is squashed, the deviation is its own
    config.bc.likelihood = True
    config.online.env_steps = 0
    return config
