"""OAP on TD3+BC: the policy is held to the action that an expert prefers.

`--config.preferences.expert=DIR` names the finished run whose critic answers.

python -m experiments.train --config=experiments/configs/oap_td3_bc.py:pointmaze-umaze \\
    --workdir=runs/oap_td3_bc
"""

import ml_collections

from rankq_jax.configs import base


def get_config(argument: str = base.DEFAULT_TASK) -> ml_collections.ConfigDict:
    """The `oap_td3_bc` agent with the phases of this arm."""
    return base.get_config(argument, "oap_td3_bc")
