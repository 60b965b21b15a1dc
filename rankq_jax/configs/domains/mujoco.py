"""Gym-MuJoCo (halfcheetah, hopper, walker2d): dense rewards.

RankQ has no published values here; its authors' tasks are sparse. The entries are those of the shared base.
"""

from rankq_jax.configs.domains.values import Values, rebrac

COMMON: Values = {
    "reward_scale": 1.0,  # CORL: raw
    "reward_bias": 0.0,
    "discount": 0.99,
    "batch_size": 256,  # WSRL code, CORL
    "actor_hidden": (256, 256),  # WSRL code
    "critic_hidden": (256, 256),
    "actor_learning_rate": 1e-4,  # WSRL code
    "critic_learning_rate": 3e-4,  # WSRL code, CORL
    "train_envs": 1,
    "evaluation_episodes": 10,  # IQL code, TD3+BC code, CORL
    "offline.updates": 1_000_000,  # CORL
    "offline.evaluate_every": 5,  # CORL: every 5k updates
    "offline.checkpoint_every": 50,
    "online.env_steps": 1_000_000,
    "online.env_steps_per_iteration": 1_000,
    "online.mixing_ratio": 0.5,  # WSRL code
    "online.evaluate_every": 5,
    "online.checkpoint_every": 50,
    # Max-target backup is off for MuJoCo (CORL)
    "sac.backup_samples": 1,
    "cql.backup_samples": 1,
    "cal_ql.backup_samples": 1,
    "rankq.backup_samples": 1,
}

_REGRESSION: Values = {"actor_learning_rate": 3e-4, "online.mixing_ratio": -1.0}  # IQL, TD3+BC and CORL
# The IQL code has 1,000 / range of returns on the dataset's rewards; ours has it on the online ones too.
_IQL: Values = {**_REGRESSION, "actor_cosine_decay": True, "reward_scaling": "return_range"}  # IQL code
_CONSERVATIVE: Values = {"weight": 5.0, "lagrange": False}  # WSRL code; CORL: 10 with policy rate 3e-5

ALGORITHMS: dict[str, Values] = {
    "sac": {},
    "cql": {f"cql.{name}": value for name, value in _CONSERVATIVE.items()},
    "cal_ql": {f"cal_ql.{name}": value for name, value in _CONSERVATIVE.items()},
    "rankq": {},
    "iql": {
        **_IQL,
        "iql.expectile_level": 0.7,  # IQL code
        "iql.inverse_temperature": 3.0,
    },
    "td3_bc": {**_REGRESSION, "normalize_observations": True, "td3_bc.alpha": 2.5},  # TD3+BC code
    "bc": _REGRESSION,
    "flow_bc": _REGRESSION,
    "awac": {
        **_REGRESSION,
        "actor_hidden": (256, 256, 256),  # CORL
        "critic_hidden": (256, 256, 256),
        "normalize_observations": True,  # CORL
        "awac.temperature": 0.333,  # CORL
    },
    "rlpd": {
        **_REGRESSION,
        "critics": 10,  # RLPD code
        "critic_layer_norm": "before",
        "rlpd.subset": 2,
        "rlpd.backup_entropy": True,  # RLPD code, MuJoCo
        "offline.updates": 0,
        "online.env_steps": 250_000,  # RLPD code
        "online.mixing_ratio": 0.5,
        "online.warmup": 5_000,
    },
    "rebrac": {
        "batch_size": 1024,  # CORL, MuJoCo
        "actor_hidden": (256, 256, 256),
        "critic_hidden": (256, 256, 256),
        "critic_layer_norm": "after",
        "actor_learning_rate": 1e-3,
        "critic_learning_rate": 1e-3,
    },
    "oap_td3_bc": {
        **_REGRESSION,
        "normalize_observations": True,
        "oap_td3_bc.alpha": 2.5,  # OAP, table 5
        "online.env_steps": 0,
    },
    "oap_iql": {
        **_IQL,
        "oap_iql.expectile_level": 0.7,  # OAP, table 5
        "oap_iql.inverse_temperature": 3.0,
        "online.env_steps": 0,
    },
}


# ReBRAC's two weights by dataset, from CORL.
TASKS: dict[str, dict[str, Values]] = {
    "halfcheetah-medium": rebrac(0.001, 0.01),
    "halfcheetah-medium-replay": rebrac(0.01, 0.001),
    "halfcheetah-medium-expert": rebrac(0.01, 0.1),
    "hopper-medium": rebrac(0.01, 0.01),
    "hopper-medium-replay": rebrac(0.05, 0.5),
    "hopper-medium-expert": rebrac(0.1, 0.01),
    "walker2d-medium": rebrac(0.05, 0.1),
    "walker2d-medium-replay": rebrac(0.05, 0.01),
    "walker2d-medium-expert": rebrac(0.01, 0.01),
}
PAPER: dict[str, Values] = {}  # the values above are those of the papers
