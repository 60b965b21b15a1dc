"""SAC from scratch on the task of an expert, whose behaviour becomes the data of another task.

python -m experiments.train --config=experiments/configs/expert.py:expert-ant --workdir=runs/expert-ant
"""

import ml_collections

from rankq_jax.configs import base


def get_config(argument: str = "expert-ant") -> ml_collections.ConfigDict:
    """The `sac` agent with the values of the domain `experts`."""
    config = base.get_config(argument, "sac")
    config.name = "expert"
    return config
