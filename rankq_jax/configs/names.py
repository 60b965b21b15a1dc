"""The field that somebody may have meant by a name that no field has."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rankq_jax.agents import AGENTS
from rankq_jax.configs.run_config import RunConfig, algorithms_of
from rankq_jax.errors import InputError

# Names that other code has for a field, by the last part of its name.
ALIASES = {
    "lr": ("learning_rate",),
    "policy_lr": ("actor_learning_rate",),
    "actor_lr": ("actor_learning_rate",),
    "critic_lr": ("critic_learning_rate",),
    "qf_lr": ("critic_learning_rate",),
    "learning_rate": ("learning_rate",),
    "gamma": ("discount",),
    "tau": ("target_rate",),
    "polyak": ("target_rate",),
    "cql_alpha": ("weight",),
    "utd": ("updates_per_step",),
    "utd_ratio": ("updates_per_step",),
    "buffer_size": ("replay_capacity",),
    "replay_size": ("replay_capacity",),
    "hidden": ("actor_hidden", "critic_hidden"),
    "hidden_dims": ("actor_hidden", "critic_hidden"),
    "hidden_sizes": ("actor_hidden", "critic_hidden"),
    "ensemble": ("critics",),
    "num_critics": ("critics",),
    "num_seeds": ("seeds",),
    "env": ("task",),
    "env_name": ("task",),
    "num_envs": ("train_envs",),
    "batch": ("batch_size",),
    "layer_norm": ("critic_layer_norm",),
    "dropout": ("actor_dropout",),
    "expectile": ("expectile_level",),
    "beta": ("inverse_temperature",),
    "grad_clip": ("max_gradient_norm",),
    "offline_steps": ("offline.updates",),
    "online_steps": ("online.env_steps",),
    "bs": ("batch_size",),
    "updates": ("offline.updates",),
    "steps": ("offline.updates", "online.env_steps"),
    "num_steps": ("offline.updates", "online.env_steps"),
    "epochs": ("offline.updates",),
    "eval_episodes": ("evaluation_episodes",),
    "episodes": ("evaluation_episodes",),
    "data": ("dataset",),
    "dtype": ("execution.compute_dtype",),
    "precision": ("execution.matmul_precision",),
    "standardise": ("normalize_observations",),
    "standardize": ("normalize_observations",),
    "normalize": ("normalize_observations",),
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
    read = set(algorithms_of(config)) | {config.algorithm}
    of_others = set(AGENTS) - read
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
    by_last = [field for field in fields if field.rpartition(".")[2] == name]
    joined = [field for field in fields if field.replace(".", "_") == name]
    return _aliased(name, fields) or by_last[:1] or joined


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """The fields that `name` may have been meant for, at most three."""
    fields = [field for field in known if not field.startswith("online.arguments.")] or list(known)
    if name.startswith("online.arguments."):
        fields = [field for field in known if field.startswith("online.arguments.")]
    section, _, last = name.rpartition(".")
    lasts = {field: field.rpartition(".")[2] for field in fields}
    beside = [field for field in fields if field.rpartition(".")[0] == section]
    for group in (beside, fields) if section else (fields,):
        near = difflib.get_close_matches(last, [lasts[field] for field in group], n=1, cutoff=CLOSE)
        exact = [field for field in fields if lasts[field] == last]
        aliased = _aliased(last, group)
        found = aliased or exact or [field for field in group if near and lasts[field] == near[0]]
        if found:
            return sorted(found, key=lambda field: field.count("."))[:3]
    return difflib.get_close_matches(name, fields, n=1)


def _aliased(last: str, fields: Sequence[str]) -> list[str]:
    return [field for ending in ALIASES.get(last.lower(), ()) for field in fields if field.endswith(ending)]
