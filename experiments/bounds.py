"""The least value of every number in a configuration, and the few that are bounded above."""

import ml_collections

from rankq_jax.data.readings import READINGS
from rankq_jax.errors import InputError, suggestion

AT_LEAST = {
    "seed": 0, "seeds": 1, "threads": 0, "dataset_steps": 0, "dataset_seed": 0, "batch_size": 1,
    "critics": 1, "actor_learning_rate": 0, "critic_learning_rate": 0, "max_gradient_norm": 0,
    "replay_capacity": 1, "train_envs": 1, "evaluation_episodes": 1, "keep_checkpoints": 1,
    "keep_best_checkpoints": 0, "checkpoint_minutes": 0, "restarts": 0,
    "offline.updates": 0, "offline.updates_per_round": 1, "offline.updates_per_dispatch": 1,
    "offline.evaluate_every": 0, "offline.checkpoint_every": 0,
    "online.env_steps": 0, "online.env_steps_per_round": 1, "online.updates_per_step": 0,
    "online.updates_per_dispatch": 1, "online.mixing_anneal": 0,
    "online.warmup": 0, "preferences.query_limit": 0,
    "preferences.query_interval": 1, "preferences.all_at_once": 0, "preferences.rank_net_epochs": 1,
    "preferences.rank_net_dropout": 0, "preferences.flipped_answers": 0, "actor_dropout": 0,
    "online.evaluate_every": 0, "online.checkpoint_every": 0,
}  # fmt: skip
LAST_SEED = 2**32 - 1  # of a random key


def check(config: ml_collections.ConfigDict) -> None:
    """Refuses numbers that nothing could be done with.

    Raises:
      InputError: names the field.
    """
    for field, least in AT_LEAST.items():
        value = config
        for name in field.split("."):
            value = value[name]
        if not value >= least:
            raise InputError(f"--config.{field}={value} must be at least {least}.")
    if config.seed + config.seeds - 1 > LAST_SEED:
        raise InputError(f"--config.seed={config.seed}: the last seed must be at most {LAST_SEED}.")
    if not 0.0 < config.discount < 1.0:
        raise InputError(f"--config.discount={config.discount} must be in (0, 1).")
    if config.dataset_reading not in READINGS:
        known = suggestion(config.dataset_reading, READINGS)
        raise InputError(f"--config.dataset_reading: unknown value {config.dataset_reading!r}.{known}")
    if not 0.0 < config.keep_best <= 1.0:
        raise InputError(f"--config.keep_best={config.keep_best} must be in (0, 1].")
    if not config.preferences.flipped_answers <= 1.0:
        share = config.preferences.flipped_answers
        raise InputError(f"--config.preferences.flipped_answers={share} must be at most 1.")
    online = config.online
    ratios = ("mixing_ratio", "mixing_ratio_final") if online.mixing_anneal > 0 else ("mixing_ratio",)
    for name in ratios:
        ratio = online[name]
        merged = ratio == -1.0 and online.mixing_anneal == 0
        if not (merged or 0.0 <= ratio <= 1.0):
            allowed = "between 0 and 1" if online.mixing_anneal > 0 else "-1 or between 0 and 1"
            raise InputError(f"--config.online.{name}={ratio} must be {allowed}.")
