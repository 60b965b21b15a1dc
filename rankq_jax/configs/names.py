"""The field that somebody may have meant by a name that no field has."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rankq_jax.agents import AGENTS
from rankq_jax.configs.run_config import ARGUMENTS, LENGTHS, RunConfig, algorithms_of
from rankq_jax.errors import InputError

# What other code calls a field: the end of its name, and those names.
OTHERS = {
    "learning_rate": "lr learning_rate",
    "actor_learning_rate": "policy_lr actor_lr",
    "critic_learning_rate": "critic_lr qf_lr",
    "discount": "gamma",
    "target_rate": "tau polyak",
    "weight": "cql_alpha",
    "updates_per_step": "utd utd_ratio",
    "replay_capacity": "buffer_size replay_size",
    "actor_hidden": "hidden hidden_dims hidden_sizes",
    "critic_hidden": "hidden hidden_dims hidden_sizes",
    "critics": "ensemble num_critics",
    "seeds": "num_seeds",
    "task": "env env_name",
    "train_envs": "num_envs",
    "batch_size": "batch bs",
    "critic_layer_norm": "layer_norm",
    "actor_dropout": "dropout",
    "expectile_level": "expectile",
    "inverse_temperature": "beta",
    "max_gradient_norm": "grad_clip",
    "offline.updates": "offline_steps updates epochs steps num_steps",
    "online.env_steps": "online_steps steps num_steps",
    "evaluation_episodes": "eval_episodes episodes",
    "dataset": "data",
    "execution.compute_dtype": "dtype",
    "execution.matmul_precision": "precision",
    "normalize_observations": "standardise standardize normalize",
}
CLOSE = 0.75  # similarity of a part of a name to which a typing error is guessed


def unknown(wrong: Sequence[str], known: Mapping[str, Any], config: RunConfig) -> None:
    """Refuses fields that do not exist; nothing happens if there are none.

    Args:
      wrong: their names.
      known: the fields that the configuration can have.
      config: whose own fields are guessed before those that it does not read.

    Raises:
      InputError: names the fields and, for each, the nearest one.
    """
    if wrong:
        told = [f"unknown configuration field config.{name}.{_hint(name, known, config)}" for name in wrong]
        raise InputError(" ".join(told))


def _hint(name: str, known: Mapping[str, Any], config: RunConfig) -> str:
    of_others = set(AGENTS) - {*algorithms_of(config), config.algorithm}
    mine = [field for field in known if field.partition(".")[0] not in of_others]
    members = [field for field in known if field.startswith(f"{name}.")]
    if members:
        return f" It is a section; give one of its fields, e.g. --config.{members[0]}."
    found = nearest(name, mine) or nearest(name, known)
    if not found:
        return " --help lists the fields."
    return f" Did you mean {' or '.join(f'--config.{field}' for field in found)}?"


def named(name: str, fields: Sequence[str]) -> list[str]:
    """The fields of a name, by themselves or in a section, or of what other programs call so."""
    if name in fields:
        return [name]
    by_last = [field for field in fields if _last(field) == name]
    if all(field.partition(".")[0] in LENGTHS for field in by_last):  # of several phases, all are told
        by_last = sorted(by_last)
    else:
        by_last = by_last[:1]
    joined = [field for field in fields if field.replace(".", "_") == name]
    return _aliased(name, fields) or by_last or joined


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """The fields that `name` may have been meant for, at most three."""
    fields = [field for field in known if field.startswith(ARGUMENTS) == name.startswith(ARGUMENTS)]
    section, _, last = name.rpartition(".")
    beside = [field for field in fields if field.rpartition(".")[0] == section]
    for group in (beside, fields):
        near = difflib.get_close_matches(last, [_last(field) for field in group], n=1, cutoff=CLOSE)
        exact = [field for field in fields if _last(field) == last]
        found = _aliased(last, group) or exact or [field for field in group if _last(field) in near]
        if found:
            return sorted(found, key=lambda field: field.count("."))[:3]
    return difflib.get_close_matches(name, fields, n=1)


def _last(field: str) -> str:
    return field.rpartition(".")[2]


def _aliased(last: str, fields: Sequence[str]) -> list[str]:
    endings = tuple(ending for ending, names in OTHERS.items() if last.lower() in names.split())
    return [field for field in fields if field.endswith(endings)]
