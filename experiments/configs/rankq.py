"""RankQ: TD learning and a ranking of perturbed actions, offline and online.

python -m experiments.train --config=experiments/configs/rankq.py:pointmaze-umaze --workdir=runs/rankq
"""

import ml_collections

from experiments.configs import base

# alpha_0 grows with the rarity of success rows: 20 on AntMaze (RankQ, App. C).
SUCCESS_WEIGHT = {"pointmaze-umaze": 1.0, "pointmaze-medium": 10.0, "pointmaze-large": 20.0}


def get_config(argument: str = base.DEFAULT_TASK) -> ml_collections.ConfigDict:
    """`base` with the ranking loss."""
    config = base.get_config(argument)
    config.algorithm = "rankq"
    config.rankq.success_weight = SUCCESS_WEIGHT.get(config.task, 1.0)
    return config
