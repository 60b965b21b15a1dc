"""The tabletop: a 7-DOF arm, an image and an instruction, chunks of four actions."""

from rankq_jax.configs.domains.values import Values
from rankq_jax.envs.tabletop.variants import LARGE, NAMES, SEEING

COMMON: Values = {
    "discount": 0.99,  # per chunk; Choi et al. (arXiv 2603.18532)
    "reward_scale": 1.0,
    "reward_bias": 0.0,
    "replay_capacity": 500_000,  # RankQ, table C.1
    "max_gradient_norm": 0.5,  # RankQ, table C.1
    "offline.updates": 1_000,
    "offline.updates_per_iteration": 500,
    "offline.updates_per_dispatch": 20,
    "offline.evaluate_every": 0,
    "offline.checkpoint_every": 1,
}

ALGORITHMS: dict[str, Values] = {
    "sac": {},
    "cql": {},
    "cal_ql": {},
    "rankq": {},
    "iql": {},
    "td3_bc": {},
    "bc": {},
    "awac": {},
    "rlpd": {},
    "rebrac": {},
    "oap_iql": {},
    "oap_td3_bc": {},
    # Sizes for two cores; `vla-s`, of tasks that end with `-large`, wants batches of 256 and 6,000 updates on
    # an accelerator.
    # Images are not shifted: a pixel of 48 x 64 is 6 mm wide, and fingers have room for 12.
    "flow_bc": {
        "networks": "vla-xs",
        "batch_size": 64,
        "offline.updates": 24_000,
        "online.env_steps": 0,
        "actor_optimizer": "muon",  # half as many updates as Adam with 1e-3 for the same loss, or fewer
        "actor_learning_rate": 5e-3,
        "actor_cosine_decay": True,
        "actor_final_rate": 0.1,
        "actor_warmup": 200,
        "actor_weight_decay": 1e-4,
        "max_gradient_norm": 1.0,  # openpi
    },
}

_STATES: dict[str, Values] = {"flow_bc": {"networks": "vla-state"}}
_LARGE: dict[str, Values] = {"flow_bc": {"networks": "vla-s"}}
TASKS: dict[str, dict[str, Values]] = {
    **{f"widowx-{name}-state": _STATES for name in NAMES},
    **{f"widowx-{name}{variant}{LARGE}": _LARGE for name in NAMES for variant in SEEING},
}
PAPER: dict[str, Values] = {}
