"""Experts whose data other tasks come with: SAC from scratch on a dense reward, and clones of them."""

from rankq_jax.configs.domains.values import Values

COMMON: Values = {
    "batch_size": 256,
    "actor_hidden": (256, 256),
    "critic_hidden": (256, 256),
    "actor_learning_rate": 3e-4,
    "critic_learning_rate": 3e-4,
    "evaluation_episodes": 20,
    "keep_checkpoints": 1,
}

ALGORITHMS: dict[str, Values] = {
    "sac": {
        "train_envs": 8,
        "sac.backup_samples": 1,  # SAC as published, arXiv 1812.05905
        "sac.backup_entropy": True,
        "sac.target_entropy": -0.5,  # OGBench code
        "offline.updates": 0,
        "online.mixing_ratio": 0.0,
        "online.env_steps": 400_000,  # OGBench code
        "online.env_steps_per_iteration": 2_000,
        "online.updates_per_step": 0.5,  # OGBench has 1; half is enough at three times its rates
        "online.updates_per_dispatch": 1_000,
        "online.warmup": 10_000,
        "online.evaluate_every": 10,
        "online.checkpoint_every": 50,
    },
    "bc": {
        "offline.updates": 10_000,
        "online.env_steps": 0,
        "evaluation_episodes": 100,
    },
}

# Gym-MuJoCo: SAC as published (arXiv 1812.05905), with small networks and half the updates for CPU cores.
_ROBOT: dict[str, Values] = {
    "": {"actor_hidden": (64, 64), "critic_hidden": (64, 64), "evaluation_episodes": 10},
    "sac": {
        "train_envs": 4,
        "sac.target_entropy": -1.0,  # SAC as published
        "online.evaluate_every": 5,
        "online.checkpoint_every": 5,
    },
}

TASKS: dict[str, dict[str, Values]] = {
    # Values settle over 1 / (target_rate (1 - discount)) updates, and the temperature starts at 1: with 0.99
    # and 0.005 the first 50,000 updates were spent on unlearning the first entropies.
    "expert-ant": {"": {"discount": 0.98, "sac.target_rate": 0.01}},
    "expert-pen": {"": {"discount": 0.97}},
    "expert-door": {"": {"discount": 0.98}},
    "expert-relocate": {"": {"discount": 0.98}},
    **{f"expert-{robot}": _ROBOT for robot in ("halfcheetah", "hopper", "walker2d")},
}
PAPER: dict[str, Values] = {}
