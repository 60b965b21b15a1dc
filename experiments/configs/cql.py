"""CQL(H) with importance sampling and the AntMaze Lagrange threshold of 0.8, offline and online.

python -m experiments.train --config=experiments/configs/cql.py:pointmaze-umaze --workdir=runs/cql
"""

import ml_collections

from experiments.configs import base


def get_config(argument: str = base.DEFAULT_TASK) -> ml_collections.ConfigDict:
    """`base` with the conservative gap."""
    config = base.get_config(argument)
    config.algorithm = "cql"
    return config
