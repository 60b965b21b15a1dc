"""RankQ: TD learning and a ranking of perturbed actions, offline and online.

python -m experiments.train --config=experiments/configs/rankq.py:pointmaze-umaze --workdir=runs/rankq
"""

import ml_collections

from rankq_jax.configs import base


def get_config(argument: str = base.DEFAULT_TASK) -> ml_collections.ConfigDict:
    """The `rankq` agent with the phases of this arm."""
    return base.get_config(argument, "rankq")
