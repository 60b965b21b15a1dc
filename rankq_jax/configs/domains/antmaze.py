"""AntMaze, medium and large: raw reward 1 at the goal, else 0."""

from rankq_jax.configs.domains.values import Values, rebrac

COMMON: Values = {
    "reward_scale": 10.0,  # 0 and 1 become -5 and 5; Cal-QL code, run_antmaze
    "reward_bias": -5.0,
    "discount": 0.99,  # Cal-QL code
    "batch_size": 256,  # RankQ, table C.1
    "actor_hidden": (256, 256),  # Cal-QL code, run_antmaze
    "critic_hidden": (256, 256, 256, 256),  # Cal-QL code, run_antmaze
    "actor_learning_rate": 1e-4,  # RankQ, table C.1
    "critic_learning_rate": 3e-4,  # RankQ, table C.1
    "max_gradient_norm": 1.0,  # RankQ, table C.1, for every method of its comparison
    "clip_groups": "optimizers",  # of the Cal-QL code, which RankQ added the clipping to
    "replay_capacity": 1_000_000,  # RankQ, table C.1
    "train_envs": 1,  # Cal-QL code: one trajectory at a time
    "offline.updates": 1_000_000,  # Cal-QL code, 1000 epochs of 1000
    "offline.evaluate_every": 50,  # Cal-QL code: every 50k updates
    "offline.checkpoint_every": 50,
    "online.env_steps": 1_000_000,  # Cal-QL code
    "online.env_steps_per_iteration": 1_000,
    "online.updates_per_step": 1.0,  # Cal-QL code
    "online.mixing_ratio": 0.5,  # RankQ, tables C.2 and C.3
    "online.evaluate_every": 2,  # Cal-QL code: every 2k steps
    "online.checkpoint_every": 50,
}

# What the IQL, TD3+BC and AWAC codes share here.
_REGRESSION: Values = {
    "reward_scale": 1.0,
    "reward_bias": -1.0,  # IQL code; CORL for TD3+BC and AWAC
    "critic_hidden": (256, 256),  # IQL code, TD3+BC code
    "actor_learning_rate": 3e-4,  # IQL code, TD3+BC code, CORL
    "max_gradient_norm": 0.0,  # none in these codes
    "online.mixing_ratio": -1.0,  # IQL code: the buffer starts as the dataset
}
_IQL: Values = {**_REGRESSION, "actor_cosine_decay": True, "replay_capacity": 2_000_000}  # IQL code
_TD3_BC: Values = {**_REGRESSION, "normalize_observations": True}  # TD3+BC code
_PREFERENCES: Values = {
    "online.env_steps": 0,
    "preferences.query_limit": 100_000,  # OAP, table 5
    "preferences.query_interval": 100_000,
}
_CONSERVATIVE: Values = {
    "weight": 5.0,  # Cal-QL code, run_antmaze
    "lagrange": True,
    "lagrange_threshold": 0.8,  # Cal-QL code, run_antmaze
}

ALGORITHMS: dict[str, Values] = {
    "sac": {},
    "cql": {f"cql.{name}": value for name, value in _CONSERVATIVE.items()},
    "cal_ql": {f"cal_ql.{name}": value for name, value in _CONSERVATIVE.items()},
    "rankq": {
        "rankq.sigma": 0.15,  # RankQ, sec. 3
        # RankQ, App. C: alpha_0, because less than 5 % of the rows of a batch belong to successes there: a
        # weight of at most 1. Other data want another: config.success_weight="balanced".
        "rankq.success_weight": 20.0,
        "rankq.failure_weight": 1.0,  # RankQ, App. C: alpha_1
    },
    "iql": {**_IQL, "iql.expectile_level": 0.9, "iql.inverse_temperature": 10.0},  # IQL code
    "td3_bc": {**_TD3_BC, "td3_bc.alpha": 2.5},  # TD3+BC code
    "bc": {**_REGRESSION},
    "flow_bc": {**_REGRESSION},
    "awac": {
        **_REGRESSION,
        "actor_hidden": (256, 256, 256),  # CORL
        "critic_hidden": (256, 256, 256),
        "normalize_observations": True,  # CORL
        "awac.temperature": 0.1,  # CORL
    },
    "rlpd": {
        **_REGRESSION,
        "actor_hidden": (256, 256, 256),  # RLPD code
        "critic_hidden": (256, 256, 256),
        "critics": 10,
        "critic_layer_norm": "before",
        "rlpd.subset": 1,  # RLPD code, AntMaze
        "rlpd.backup_entropy": False,  # RLPD code, AntMaze
        "offline.updates": 0,
        "online.env_steps": 300_000,  # RLPD code
        "online.mixing_ratio": 0.5,
        "online.warmup": 5_000,  # RLPD code, start_training
    },
    "rebrac": {
        "reward_scale": 100.0,  # CORL
        "reward_bias": 0.0,
        "discount": 0.999,  # CORL, AntMaze
        "actor_hidden": (256, 256, 256),  # CORL
        "critic_hidden": (256, 256, 256),
        "critic_layer_norm": "after",
        "actor_learning_rate": 3e-4,  # CORL, AntMaze
        "critic_learning_rate": 5e-5,
        "max_gradient_norm": 0.0,
    },
    "oap_td3_bc": {**_TD3_BC, **_PREFERENCES, "oap_td3_bc.alpha": 2.5},  # OAP, table 5
    "oap_iql": {
        **_IQL,
        **_PREFERENCES,
        "oap_iql.expectile_level": 0.9,  # OAP, table 5
        "oap_iql.inverse_temperature": 10.0,
    },
}


# ReBRAC's two weights by dataset, from CORL.
TASKS: dict[str, dict[str, Values]] = {
    "antmaze-umaze": rebrac(0.003, 0.002),
    "antmaze-umaze-diverse": rebrac(0.003, 0.001),
    "antmaze-medium-play": rebrac(0.001, 0.0005),
    "antmaze-medium-diverse": rebrac(0.001, 0.0),
    "antmaze-large-play": rebrac(0.002, 0.001),
    "antmaze-large-diverse": rebrac(0.002, 0.002),
}
# The values above are those of the papers. Their data pass through D4RL's loader, or Cal-QL's form of it.
PAPER: dict[str, Values] = {
    "": {
        "dataset_reading": "d4rl",
        "dataset_kind": "waypoints-rare",  # RankQ, App. C: less than 5 % of the rows belong to successes
    }
}
