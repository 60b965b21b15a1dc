"""What the fields of a configuration mean, written by hand: which of their values a run makes sense with.

Nothing here comes from the product. Each field has its values as a predicate, and some values to try.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple


class Values(NamedTuple):
    """Whether a value makes sense, values that do, and values near the edges of what does."""

    fits: Callable[[Any], bool]
    inside: tuple[Any, ...]
    edges: tuple[Any, ...]


def is_whole(value):
    return isinstance(value, int) and not isinstance(value, bool)


def is_real(value):
    return is_whole(value) or isinstance(value, float)


def whole(low, high, *inside):
    """Whole numbers from `low` to `high`."""
    edges = (low - 1, low, low + 1, high - 1, high, high + 1)
    return Values(lambda v: is_whole(v) and low <= v <= high, inside, edges)


def real(low, high, *inside, above=False, below=False):
    """Finite numbers from `low` to `high`, without `low` if `above`, without `high` if `below`."""

    def fits(v):
        if not (is_real(v) and math.isfinite(v)):
            return False
        return (v > low if above else v >= low) and (v < high if below else v <= high)

    return Values(fits, inside, (low - 0.01, low, low + 1e-3, high - 1e-6, high, high * 1.01 + 0.01))


def choice(*known):
    """One of a few words."""
    return Values(lambda v: v in known, known, (known[0].upper(), known[-1] + "s", ""))


def switch():
    """True or False."""
    return Values(lambda v: isinstance(v, bool), (True, False), (0, 1))


def widths():
    """A tuple of widths."""

    def fits(v):
        return isinstance(v, tuple) and all(is_whole(w) and 1 <= w <= 100_000 for w in v)

    return Values(fits, ((16,), (32, 32), (8, 8, 8)), ((0,), (1,), (-4, 8), (10**9,), (10**6, 10**6)))


def text():
    """A line of text."""
    return Values(
        lambda v: isinstance(v, str) and len(v) < 5000 and "\n" not in v, ("", "some"), ("x" * 9000,)
    )


INT32 = 2**31 - 1
KEY = 2**32 - 1
AGENTS = (
    "sac",
    "cql",
    "cal_ql",
    "rankq",
    "iql",
    "td3_bc",
    "bc",
    "flow_bc",
    "awac",
    "rlpd",
    "rebrac",
    "oap_td3_bc",
    "oap_iql",
)
RATE = real(0.0, 1.0, 0.005, 0.02, 1.0, above=True)  # of a moving average
WEIGHT = real(0.0, 1e7, 0.0, 0.5, 20.0)  # of a term of a loss
NOISE = real(0.0, 100.0, 0.0, 0.1, 0.5)  # deviation, in units of the action range
ENTROPY = real(-1e7, 1e7, -1.0, -0.5, 0.0)  # nats
TEMPERATURE = real(0.0, 1e7, 0.1, 1.0, above=True)  # of an exponential
SAMPLES = whole(1, 100_000, 1, 4, 10)  # for each row of a batch

# Numbers that only the memory of the machine limits end at INT32 here.
SHARED = {
    "task": choice("pointmaze-umaze", "pointmaze-medium"),
    "horizon": whole(0, INT32, 0, 40, 300),
    "algorithm": choice(*AGENTS),
    "name": text(),
    "seed": whole(0, KEY, 0, 7),
    "seeds": whole(1, INT32, 1, 2, 4),
    "parallel": choice("seeds", "batch"),
    "threads": whole(0, 100_000, 0, 1, 2),
    "init_from": text(),
    "init_parts": choice("all", "policy"),
    "dataset": text(),
    "dataset_keys": text(),
    "clip_actions": switch(),
    "dataset_reading": choice("task", "recorded", "d4rl", "cal_ql", "rlpd"),
    "dataset_kind": text(),
    "dataset_steps": whole(0, 10**9, 3_000, 12_000),
    "dataset_seed": whole(0, KEY, 0, 3),
    "dataset_storage": choice("memory", "disk"),
    "keep_best": real(0.0, 1.0, 0.1, 1.0, above=True),
    "normalize_observations": switch(),
    "reward_scale": real(0.0, 1e7, 1.0, 10.0, above=True),
    "reward_bias": real(-1e7, 1e7, -1.0, 0.0, 5.0),
    "discount": real(0.0, 1.0, 0.9, 0.99, 0.999, above=True, below=True),
    "batch_size": whole(1, INT32, 1, 32, 64),
    "networks": choice("cal_ql", "iql", "awac", "td3", "rebrac", "rlpd", "flow"),
    "actor_hidden": widths(),
    "critic_hidden": widths(),
    "critics": whole(1, 10_000, 1, 2, 10),
    "critic_layer_norm": choice("none", "before", "after"),
    "actor_dropout": real(0.0, 1.0, 0.0, 0.1, below=True),
    "flow_noise": switch(),
    "flow_steps": SAMPLES,
    "readout": choice("flat", "mean", "last"),
    "critic_actions": choice("absolute", "relative"),
    "encoder": choice("auto", "identity"),
    "encoder_filters": widths(),
    "encoder_features": whole(1, INT32, 8, 50),
    "image_shift": whole(0, 1_000, 0, 4),
    "color_jitter": real(0.0, 1.0, 0.0, 0.2, below=True),
    "encoder_training": choice("separate", "shared", "frozen", "cached"),
    "actor_learning_rate": real(0.0, 1.0, 0.0, 1e-4, 3e-4),
    "actor_optimizer": choice("adam", "muon"),
    "actor_cosine_decay": switch(),
    "actor_final_rate": real(0.0, 1.0, 0.0, 0.1),
    "actor_warmup": whole(0, INT32, 0, 10),
    "actor_weight_decay": real(0.0, 1e7, 0.0, 1e-4),
    "critic_learning_rate": real(0.0, 1.0, 0.0, 1e-4, 3e-4),
    "success_weight": choice("given", "balanced"),
    "reward_scaling": choice("given", "return_range"),
    "clip_groups": choice("networks", "optimizers"),
    "max_gradient_norm": real(0.0, 1e7, 0.0, 1.0),
    "replay_capacity": whole(1, INT32, 1_000, 5_000),
    "train_envs": whole(1, INT32, 1, 2),
    "evaluation_episodes": whole(1, INT32, 1, 4),
    "checkpoint_minutes": real(0.0, 1e7, 0.0, 5.0),
    "diagnostics_every": whole(0, INT32, 0, 1, 1_000),
    "keep_checkpoints": whole(1, INT32, 1, 2),
    "keep_best_checkpoints": whole(0, INT32, 0, 1),
    "restarts": whole(0, 10_000, 0, 1),
    "execution.seeds": choice("auto", "batched", "sequential"),
    "execution.critics": choice("auto", "batched", "unrolled"),
    "execution.draws": choice("auto", "before", "within"),
    "execution.evaluation": choice("auto", "beside", "between"),
    "execution.acting": choice("auto", "device", "host"),
    "execution.compute_dtype": choice("float32", "bfloat16"),
    "execution.matmul_precision": choice("default", "high", "highest"),
    "preferences.expert": text(),
    "preferences.query_limit": whole(0, INT32, 0, 100),
    "preferences.query_interval": whole(1, INT32, 20, 40),
    "preferences.all_at_once": whole(0, INT32, 0, 20),
    "preferences.flipped_answers": real(0.0, 1.0, 0.0, 0.3),
    "preferences.rank_net": switch(),
    "preferences.rank_net_hidden": widths(),
    "preferences.rank_net_dropout": real(0.0, 1.0, 0.0, 0.5, below=True),
    "preferences.rank_net_epochs": whole(1, INT32, 1, 3),
    "collect.env_steps": whole(0, INT32, 0, 600, 1_200),
    "collect.env_steps_per_iteration": whole(1, INT32, 200, 600),
    "offline.algorithm": choice("", *AGENTS),
    "offline.updates": whole(0, INT32, 0, 20, 40),
    "offline.updates_per_iteration": whole(1, INT32, 10, 20),
    "offline.updates_per_dispatch": whole(1, 10**7, 5, 10),
    "offline.evaluate_every": whole(0, INT32, 0, 1),
    "offline.checkpoint_every": whole(0, INT32, 0, 1),
    "online.algorithm": choice("", *AGENTS),
    "online.env_steps": whole(0, INT32, 0, 600, 1_200),
    "online.env_steps_per_iteration": whole(1, INT32, 200, 600),
    "online.updates_per_step": real(0.0, 1e4, 0.0, 0.02),
    "online.updates_per_dispatch": whole(1, 10**7, 1, 4),
    "online.overlap": switch(),
    "online.merged_exactly": switch(),
    "online.terminates": switch(),
    "online.mixing_ratio": Values(
        lambda v: is_real(v) and (v == -1 or 0 <= v <= 1), (-1.0, 0.0, 0.5, 1.0), (-1.01, -0.5, 1.01)
    ),
    "online.mixing_ratio_final": Values(
        lambda v: is_real(v) and (v == -1 or 0 <= v <= 1), (0.0, 0.5, 1.0), (-1.01, -0.5, 1.01)
    ),
    "online.mixing_anneal": whole(0, INT32, 0, 600),
    "online.warmup": whole(0, INT32, 0, 600),
    "online.evaluate_every": whole(0, INT32, 0, 1),
    "online.checkpoint_every": whole(0, INT32, 0, 1),
}

_SAC = {
    "backup_samples": SAMPLES,
    "backup_entropy": switch(),
    "target_entropy": ENTROPY,
    "target_rate": RATE,
    "entropy": switch(),
    "critic_warmup": whole(0, INT32, 0, 10),
}
_CQL = {
    **_SAC,
    "weight": WEIGHT,
    "lagrange": switch(),
    "lagrange_threshold": real(-1e7, 1e7, 0.0, 0.8, 5.0),
    "samples": SAMPLES,
    "temperature": TEMPERATURE,
    "importance_sampling": switch(),
    "next_samples": switch(),
}
_TD3 = {
    "target_noise": NOISE,
    "target_noise_limit": NOISE,
    "actor_every": whole(1, 10_000, 1, 2),
    "target_rate": RATE,
    "exploration_noise": NOISE,
}
_IQL = {
    "expectile_level": real(0.0, 1.0, 0.7, 0.9, above=True, below=True),
    "inverse_temperature": real(0.0, 1e7, 0.0, 3.0, 10.0),
    "weight_limit": real(0.0, 1e7, 1.0, 100.0, above=True),
    "target_rate": RATE,
}
_REBRAC = {
    **_TD3,
    "actor_weight": WEIGHT,
    "critic_weight": WEIGHT,
    "decay_from": whole(0, INT32, 0, 40),
    "decay_updates": real(0.0, INT32, 0.0, 40.0),
}
SECTIONS = {
    "sac": _SAC,
    "cql": _CQL,
    "cal_ql": _CQL,
    "rankq": {
        **_SAC,
        "sigma": real(0.0, 100.0, 0.15, 0.3, above=True),
        "success_weight": WEIGHT,
        "failure_weight": WEIGHT,
        "permuted": switch(),
        "chain": switch(),
        "permuted_within": text(),
    },
    "iql": _IQL,
    "td3_bc": {**_TD3, "alpha": WEIGHT},
    "bc": {"likelihood": switch()},
    "flow_bc": {
        "steps": SAMPLES,
        "uniform_time": switch(),
        "auxiliary_weight": WEIGHT,
        "foresight_weight": WEIGHT,
        "average_rate": RATE,
    },
    "awac": {
        "temperature": TEMPERATURE,
        "weight_limit": real(0.0, 1e7, 1.0, 100.0, above=True),
        "target_rate": RATE,
    },
    "rlpd": {
        "critic_updates": SAMPLES,
        "subset": whole(1, 10_000, 1, 2),
        "backup_entropy": switch(),
        "target_entropy": ENTROPY,
        "target_rate": RATE,
    },
    "rebrac": _REBRAC,
    "oap_td3_bc": {**_TD3, "alpha": WEIGHT},
    "oap_iql": {**_IQL, "weight_of_preferred": switch()},
}
FIELDS: dict[str, Values] = {
    **SHARED,
    **{f"{section}.{name}": values for section, known in SECTIONS.items() for name, values in known.items()},
    **{
        f"online.arguments.{name}": _REBRAC[name] for name in ("critic_weight", "decay_from", "decay_updates")
    },
}
