"""TD3+BC; fine-tuned on one merged buffer.

python -m experiments.train --config=experiments/configs/td3_bc.py:pointmaze-umaze --workdir=runs/td3_bc
"""

import ml_collections

from rankq_jax.configs import base


def get_config(argument: str = base.DEFAULT_TASK) -> ml_collections.ConfigDict:
    """The `td3_bc` agent with the phases of this arm."""
    return base.get_config(argument, "td3_bc")
