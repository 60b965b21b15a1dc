"""Cal-QL: CQL whose values are never pushed below the return-to-go, offline and online.

python -m experiments.train --config=experiments/configs/cal_ql.py:pointmaze-umaze --workdir=runs/cal_ql
"""

import ml_collections

from rankq_jax.configs import base


def get_config(argument: str = base.DEFAULT_TASK) -> ml_collections.ConfigDict:
    """The `cal_ql` agent with the phases of this arm."""
    return base.get_config(argument, "cal_ql")
