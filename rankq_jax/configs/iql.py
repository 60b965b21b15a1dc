"""IQL: expectile value, advantage-weighted policy; fine-tuned on one merged buffer.

python -m experiments.train --config=experiments/configs/iql.py:pointmaze-umaze --workdir=runs/iql
"""

import ml_collections

from rankq_jax.configs import base


def get_config(argument: str = base.DEFAULT_TASK) -> ml_collections.ConfigDict:
    """The `iql` agent with the phases of this arm."""
    return base.get_config(argument, "iql")
