"""AWAC; fine-tuned on one merged buffer.

python -m experiments.train --config=experiments/configs/awac.py:pointmaze-umaze --workdir=runs/awac
"""

import ml_collections

from rankq_jax.configs import base


def get_config(argument: str = base.DEFAULT_TASK) -> ml_collections.ConfigDict:
    """The `awac` agent with the phases of this arm."""
    return base.get_config(argument, "awac")
