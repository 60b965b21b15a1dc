"""SAC from scratch: online data alone.

python -m experiments.train --config=experiments/configs/sac.py:pointmaze-umaze --workdir=runs/sac
"""

import ml_collections

from rankq_jax.configs import base


def get_config(argument: str = base.DEFAULT_TASK) -> ml_collections.ConfigDict:
    """The `sac` agent with the phases of this arm."""
    return base.get_config(f"{argument},online", "sac")
