"""CQL(H) with importance sampling, offline and online.

python -m experiments.train --config=experiments/configs/cql.py:pointmaze-umaze --workdir=runs/cql
"""

import ml_collections

from rankq_jax.configs import base


def get_config(argument: str = base.DEFAULT_TASK) -> ml_collections.ConfigDict:
    """The `cql` agent with the phases of this arm."""
    return base.get_config(argument, "cql")
