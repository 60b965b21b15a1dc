"""ReBRAC; fine-tuned with half offline, half online batches as in CORL: b_c = 0, b_a falls to half.

python -m experiments.train --config=experiments/configs/rebrac.py:pointmaze-umaze --workdir=runs/rebrac
"""

import ml_collections

from rankq_jax.configs import base


def get_config(argument: str = base.DEFAULT_TASK) -> ml_collections.ConfigDict:
    """The `rebrac` agent with the phases of this arm."""
    config = base.get_config(argument, "rebrac")
    config.name = "rebrac"
    # References: they follow when the lengths are changed on the command line.
    config.online.arguments.critic_weight = 0.0
    config.online.arguments.decay_from = config.offline.get_oneway_ref("updates")
    per_step = config.online.get_oneway_ref("updates_per_step")
    config.online.arguments.decay_updates = per_step * config.online.get_oneway_ref("env_steps")
    return config
