"""Adroit with a binary reward (pen, door, relocate): raw reward 0 at success, else -1."""

from rankq_jax.configs.domains.values import Values, rebrac

COMMON: Values = {
    "reward_scale": 10.0,  # -1 and 0 become -5 and 5; Cal-QL code, run_adroit
    "reward_bias": 5.0,
    "discount": 0.99,  # Cal-QL code
    "batch_size": 512,  # RankQ, table C.1: door and relocate
    "actor_hidden": (512, 512),  # Cal-QL code, run_adroit
    "critic_hidden": (512, 512, 512),  # Cal-QL code, run_adroit
    "actor_learning_rate": 2e-5,  # RankQ, table C.1: door and relocate
    "critic_learning_rate": 1e-4,
    "max_gradient_norm": 1.0,  # RankQ, table C.1
    "clip_groups": "optimizers",  # of the Cal-QL code, which RankQ added the clipping to
    "replay_capacity": 1_000_000,
    "train_envs": 1,
    "offline.updates": 20_000,  # Cal-QL code
    "offline.evaluate_every": 2,  # Cal-QL code: every 2k updates
    "offline.checkpoint_every": 10,
    "online.env_steps": 1_000_000,  # Cal-QL code: door and relocate
    "online.env_steps_per_iteration": 1_000,
    "online.updates_per_step": 1.0,
    "online.mixing_ratio": 0.5,  # Cal-QL code as shipped; RankQ tried -1 too
    "online.evaluate_every": 2,
    "online.checkpoint_every": 50,
}

_REGRESSION: Values = {
    "batch_size": 256,  # IQL code, TD3+BC code, CORL
    "actor_hidden": (256, 256),
    "critic_hidden": (256, 256),
    "actor_learning_rate": 3e-4,
    "critic_learning_rate": 3e-4,
    "max_gradient_norm": 0.0,
    "online.mixing_ratio": -1.0,
}
_IQL: Values = {**_REGRESSION, "actor_cosine_decay": True, "actor_dropout": 0.1}  # IQL code, OAP table 5
_LONG: Values = {"offline.updates": 1_000_000}  # TD3+BC code, CORL, OAP table 5
_RAW: Values = {"reward_scale": 1.0, "reward_bias": 0.0}
_CONSERVATIVE: Values = {"weight": 1.0, "lagrange": False}  # Cal-QL code, run_adroit

ALGORITHMS: dict[str, Values] = {
    "sac": {},
    "cql": {f"cql.{name}": value for name, value in _CONSERVATIVE.items()},
    "cal_ql": {f"cal_ql.{name}": value for name, value in _CONSERVATIVE.items()},
    "rankq": {
        "rankq.sigma": 0.15,  # RankQ, sec. 3
        "rankq.success_weight": 1.0,  # RankQ, App. C
        "rankq.failure_weight": 1.0,
    },
    "iql": {**_IQL, "iql.expectile_level": 0.7, "iql.inverse_temperature": 0.5},  # WSRL code, 10 r + 5 too
    "td3_bc": {
        **_REGRESSION,
        **_RAW,
        **_LONG,
        "normalize_observations": True,  # TD3+BC code
        "td3_bc.alpha": 0.1,  # OAP, table 5; the TD3+BC code has 2.5 everywhere
    },
    "bc": {**_REGRESSION, **_RAW, **_LONG},
    "flow_bc": {**_REGRESSION, **_RAW, **_LONG},
    "awac": {
        **_REGRESSION,
        **_RAW,
        "actor_hidden": (256, 256, 256),  # CORL
        "critic_hidden": (256, 256, 256),
        "normalize_observations": True,  # CORL
        "awac.temperature": 0.1,  # CORL
        "offline.updates": 25_000,  # App. of IQL: more overfits on the hand tasks
    },
    "rlpd": {
        **_REGRESSION,
        **_RAW,  # RLPD code
        "actor_hidden": (256, 256, 256),  # RLPD code
        "critic_hidden": (256, 256, 256),
        "critics": 10,
        "critic_layer_norm": "before",
        "rlpd.subset": 2,
        "rlpd.backup_entropy": False,  # RLPD code, Adroit
        "offline.updates": 0,
        "online.mixing_ratio": 0.5,
        "online.warmup": 5_000,  # RLPD code
    },
    "rebrac": {
        **_RAW,  # CORL, there on the dense reward of D4RL
        **_LONG,
        "batch_size": 256,  # CORL, Adroit
        "actor_hidden": (256, 256, 256),
        "critic_hidden": (256, 256, 256),
        "critic_layer_norm": "after",
        "actor_learning_rate": 3e-4,
        "critic_learning_rate": 3e-4,
        "max_gradient_norm": 0.0,
    },
    "oap_td3_bc": {
        **_REGRESSION,
        **_RAW,
        "normalize_observations": True,
        "oap_td3_bc.alpha": 0.1,  # OAP, table 5
        **_LONG,
        "online.env_steps": 0,
    },
    "oap_iql": {
        **_IQL,
        **_RAW,
        "oap_iql.expectile_level": 0.7,  # OAP, table 5
        "oap_iql.inverse_temperature": 0.5,
        **_LONG,
        "online.env_steps": 0,
    },
}

_PEN: Values = {
    "batch_size": 256,  # RankQ, table C.1
    "actor_learning_rate": 1e-4,
    "critic_learning_rate": 3e-4,
}


# ReBRAC's two weights on the cloned sets, from CORL: the binary sets are mostly clones too.
_REBRAC = {"pen": rebrac(0.05, 0.5), "door": rebrac(0.01, 0.1), "relocate": rebrac(0.1, 0.01)}

TASKS: dict[str, dict[str, Values]] = {
    "adroit-pen": {
        "": {"online.env_steps": 200_000},  # Cal-QL code: pen
        **{name: _PEN for name in ("sac", "cql", "cal_ql", "rankq")},
        **{name: {"online.env_steps": 0} for name in ("oap_td3_bc", "oap_iql")},
        **_REBRAC["pen"],
    },
    "adroit-door": _REBRAC["door"],
    "adroit-relocate": _REBRAC["relocate"],
}

# The data and the lengths of the published runs on the binary tasks; all other values above are theirs too.
# Behaviour cloning, TD3+BC, ReBRAC and OAP have none: their hands are D4RL's, with a dense reward.
_CAL_QL: Values = {"dataset_reading": "cal_ql"}  # Cal-QL code, get_hand_dataset_with_mc_calculation
PAPER: dict[str, Values] = {
    **{name: _CAL_QL for name in ("sac", "cql", "cal_ql", "rankq")},  # RankQ, sec. 4: the code of Cal-QL
    "iql": {
        **_CAL_QL,  # WSRL code, adroit_binary_dataset, taken from Cal-QL's
        "offline.updates": 20_000,  # WSRL code, launch_iql_finetune
        "online.env_steps": 500_000,  # WSRL code, num_online_steps
        "replay_capacity": 2_000_000,  # WSRL code, replay_buffer_capacity
    },
    "awac": {
        "dataset_reading": "rlpd",  # rlkit, DictToMDPPathLoader: 90 % of each file; RLPD's loader follows it
        "online.terminates": False,  # rlkit, awac1: terminal_transform_kwargs m = b = 0
        "offline.updates": 25_000,  # rlkit, awac1: q_num_pretrain2_steps
        "online.env_steps": 1_000_000,  # CORL, finetune/awac/pen: online_iterations
    },
    "rlpd": {
        "dataset_reading": "rlpd",  # RLPD code, BinaryDataset
        "online.terminates": False,  # RLPD code: mj_envs ends no episode, and its loader removes terminals
        "online.env_steps": 1_000_000,  # RLPD code, README: max_steps, on the pen too
        "replay_capacity": 1_000_000,  # RLPD code: max_steps
    },
    "rebrac": {
        "offline.updates": 1_000_000,  # ReBRAC code, finetune/pen: num_offline_updates
        "online.env_steps": 1_000_000,  # num_online_updates, one for each step
    },
}
