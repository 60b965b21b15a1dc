"""RLPD: no offline phase; half offline, half online batches, ten critics, twenty critic updates a step.

python -m experiments.train --config=experiments/configs/rlpd.py:pointmaze-umaze --workdir=runs/rlpd
"""

import ml_collections

from rankq_jax.configs import base


def get_config(argument: str = base.DEFAULT_TASK) -> ml_collections.ConfigDict:
    """The `rlpd` agent with the phases of this arm."""
    return base.get_config(argument, "rlpd")
