"""Point mazes: raw reward 1 at the goal, else 0. No paper has them: the values are ours, for two CPU cores.

They follow AntMaze, except where runs a hundred times shorter need something else.
"""

from rankq_jax.configs.domains import antmaze
from rankq_jax.configs.domains.values import Values

_SECTIONS = ("sac", "cql", "cal_ql", "rankq", "iql", "td3_bc", "awac", "rebrac", "oap_td3_bc", "oap_iql")

COMMON: Values = {
    "reward_scale": 1.0,  # -1 for every step and 0 at the goal
    "reward_bias": -1.0,
    "actor_hidden": (128, 128),
    "critic_hidden": (128, 128),
    "actor_learning_rate": 3e-4,
    "max_gradient_norm": 1.0,  # as AntMaze
    "offline.updates_per_iteration": 500,
    "offline.evaluate_every": 4,
    "offline.checkpoint_every": 8,
    # Values settle over 1 / (target_rate (1 - discount)) updates: 5,000 here, 20,000 with 0.005.
    **{f"{section}.target_rate": 0.02 for section in _SECTIONS},
}

_REGRESSION: Values = {"max_gradient_norm": 0.0, "online.mixing_ratio": -1.0}  # as AntMaze
_IQL: Values = {**_REGRESSION, "actor_cosine_decay": True}
_TD3_BC: Values = {**_REGRESSION, "normalize_observations": True}
_PREFERENCES: Values = {
    "online.env_steps": 0,
    "preferences.query_limit": 4_000,  # as many as the environment steps of the other schemes
    "preferences.query_interval": 1_000,
}

ALGORITHMS: dict[str, Values] = {
    "sac": {},
    "cql": antmaze.ALGORITHMS["cql"],
    "cal_ql": antmaze.ALGORITHMS["cal_ql"],
    "rankq": {**antmaze.ALGORITHMS["rankq"], "rankq.success_weight": 1.0},
    "iql": {**_IQL, "iql.expectile_level": 0.9, "iql.inverse_temperature": 10.0},  # as AntMaze
    "td3_bc": {**_TD3_BC, "td3_bc.alpha": 2.5},
    "bc": _REGRESSION,
    "flow_bc": _REGRESSION,
    "awac": {**_REGRESSION, "normalize_observations": True, "awac.temperature": 0.1},
    "rlpd": {
        **_REGRESSION,
        "critics": 10,  # as AntMaze
        "critic_layer_norm": "before",
        "rlpd.subset": 1,
        "rlpd.backup_entropy": False,
        "offline.updates": 0,
        "online.mixing_ratio": 0.5,
        "online.warmup": 600,
        "online.updates_per_dispatch": 50,
    },
    "rebrac": {**_REGRESSION, "critic_layer_norm": "after", "online.mixing_ratio": 0.5},
    "oap_td3_bc": {**_TD3_BC, **_PREFERENCES, "oap_td3_bc.alpha": 2.5},
    "oap_iql": {
        **_IQL,
        **_PREFERENCES,
        "oap_iql.expectile_level": 0.9,
        "oap_iql.inverse_temperature": 10.0,
    },
}

# The weights of the AntMaze of the same size; alpha_0 grows with the rarity of success rows.
TASKS: dict[str, dict[str, Values]] = {
    "pointmaze-umaze": antmaze.TASKS["antmaze-umaze"],
    "pointmaze-medium": {
        **antmaze.TASKS["antmaze-medium-play"],
        "": {"train_envs": 2},  # twice the horizon: with four, the first episodes would end too late
        "rankq": {"rankq.success_weight": 10.0},
    },
    "pointmaze-large": {
        **antmaze.TASKS["antmaze-large-play"],
        "": {"train_envs": 2},
        "rankq": {"rankq.success_weight": 20.0},
    },
}

# An accelerator's budget: the lengths, networks and rates of the AntMaze runs.
_LONG: Values = {
    **{name: value for name, value in antmaze.COMMON.items() if not name.startswith("reward_")},
    **{f"{section}.target_rate": 0.005 for section in _SECTIONS},
    "train_envs": 4,
    "offline.updates_per_iteration": 1_000,
}
_NOT_OURS = ("reward_scale", "reward_bias", "discount")
PAPER: dict[str, Values] = {
    "": _LONG,
    **{
        algorithm: {name: value for name, value in values.items() if name not in _NOT_OURS}
        for algorithm, values in antmaze.ALGORITHMS.items()
        if algorithm not in ("rankq", "rlpd")  # alpha_0 stays the task's
    },
    # As many environment steps as the others of a comparison.
    "rlpd": {**antmaze.ALGORITHMS["rlpd"], "online.env_steps": antmaze.COMMON["online.env_steps"]},
}
