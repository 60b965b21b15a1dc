"""Behaviour cloning of a deterministic policy; offline alone.

python -m experiments.train --config=experiments/configs/bc.py:pointmaze-umaze --workdir=runs/bc
"""

import ml_collections

from rankq_jax.configs import base


def get_config(argument: str = base.DEFAULT_TASK) -> ml_collections.ConfigDict:
    """The `bc` agent with the phases of this arm."""
    config = base.get_config(argument, "bc")
    config.name = "bc"
    config.online.env_steps = 0
    return config
