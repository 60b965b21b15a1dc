"""SAC on the dataset, then SAC with half offline, half online batches.

python -m experiments.train --config=experiments/configs/sac.py:pointmaze-umaze --workdir=runs/sac
"""

import ml_collections

from experiments.configs import base


def get_config(argument: str = base.DEFAULT_TASK) -> ml_collections.ConfigDict:
    """The base configuration; SAC is what every other agent here adds to."""
    return base.get_config(argument)
