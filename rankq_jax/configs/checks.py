"""What is refused of a configuration: fields that do not exist, values out of bounds, and what nothing reads.

A value of a file may be for a phase that another command has. A value of the command line is meant for this
run: one that it does not read is refused, so that nobody takes the result for that of another value.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from rankq_jax import tasks
from rankq_jax.agents import AGENTS, reads
from rankq_jax.agents.encoders import CACHED
from rankq_jax.bounds import arguments, told
from rankq_jax.configs.fields import LAST_SEED, Field, arguments_of
from rankq_jax.configs.names import unknown
from rankq_jax.configs.no_dataset import check_without_dataset
from rankq_jax.configs.phase_config import LENGTHS
from rankq_jax.configs.run_config import (
    ARGUMENTS,
    SHARED,
    RunConfig,
    algorithms_of,
    has_dataset,
    phases_of,
)
from rankq_jax.configs.task import task_of
from rankq_jax.errors import InputError
from rankq_jax.networks import FAMILIES
from rankq_jax.networks.vla.sizes import RELATIVE
from rankq_jax.types import PREFERRED_ACTION

# `task` and `algorithm` choose the defaults of other fields, which are there before a flag is read.
CHOOSING = {
    "task": "write it after the colon, --config=NAME:{value}, where the values that belong to it follow",
    "algorithm": "give the arm of that name, --config={value}:TASK, which has its own values",
}


OF_ENCODERS = ("encoder_filters", "encoder_features", "encoder_training", "image_shift", "color_jitter")
OF_UPDATES = ("image_shift", "color_jitter")  # change images, whatever sees them


def fields_of(config: RunConfig) -> dict[str, Field]:
    """Every field that a configuration can have, by its name with dots."""
    found = dict(SHARED)
    for algorithm in AGENTS:
        found |= {f"{algorithm}.{name}": it for name, it in arguments_of(algorithm).items()}
    online = config.online.algorithm or config.algorithm
    found |= {ARGUMENTS + name: it for name, it in arguments_of(online).items()} if online in AGENTS else {}
    return found


def refuse(name: str, value: Any, known: Field) -> None:
    """Refuses a value that is out of the bound of its field.

    Raises:
      InputError: names the field, the value and the bound.
    """
    why = "" if known.bound is None else known.bound.refusal(value)
    if why:
        message = told(f"config.{name}", value, why)
        raise InputError(message if message.endswith(("?", ".")) else f"{message}.")


def check(config: RunConfig) -> None:
    """Refuses what nothing could be done with: fields that do not exist, values out of bounds.

    Raises:
      InputError: names the field, the value and the bound.
    """
    # By these the arguments of the agents are known.
    refuse("algorithm", config.algorithm, SHARED["algorithm"])
    refuse("online.algorithm", config.online.algorithm, SHARED["online.algorithm"])
    known, values, task = fields_of(config), config.flat(), tasks.find(config.task)
    free = {
        section for section in AGENTS if not arguments(AGENTS[section].make)
    }  # declare nothing, take anything
    values = {name: value for name, value in values.items() if _owner(config, name) not in free}
    unknown([name for name in values if name not in known], known, config)
    for name, value in values.items():
        refuse(name, value, known[name])
    if config.seed + config.seeds - 1 > LAST_SEED:
        raise InputError(f"config.seed={config.seed}: the last seed must be at most {LAST_SEED}.")
    for name in ("online.mixing_ratio", "online.mixing_ratio_final"):
        if config.online.mixing_anneal > 0 and values[name] < 0.0:
            raise InputError(f"config.{name}={values[name]} must be between 0 and 1.")
    acting = {"collect.env_steps": config.collect.env_steps, "online.env_steps": config.online.env_steps}
    if (field := next((name for name, steps in acting.items() if steps), "")) and task.recorded:
        raise InputError(
            f"config.{field}={acting[field]}: the task {config.task!r} is a dataset, not "
            "an environment to act in; leave it out, or train on gym:ENV with config.dataset."
        )
    if not has_dataset(config):
        check_without_dataset(config, bool(task.generators))
    if config.dataset_storage == "disk":
        _check_disk(config)
    if config.encoder_training == CACHED:
        _check_cached(config)
    elif config.critic_actions == RELATIVE:
        raise InputError(
            f"config.critic_actions={RELATIVE}: needs config.encoder_training={CACHED}, not "
            f"{config.encoder_training}: with each observation is kept what the first policy would do."
        )
    if "rlpd" in algorithms_of(config):
        online = config.online.arguments if config.online.env_steps else {}
        subset = {**config.sections["rlpd"], **online}["subset"]
        if subset > config.critics:
            raise InputError(
                f"config.rlpd.subset={subset} must be at most the {config.critics} of config.critics."
            )


def _check_disk(config: RunConfig) -> None:
    asking = any(reads(name, PREFERRED_ACTION) for name in algorithms_of(config))
    unread = config.offline.updates == config.online.mixing_ratio == config.online.mixing_anneal == 0
    for wrong, field in (
        (unread, "offline.updates=0"),
        (config.keep_best < 1.0, f"keep_best={config.keep_best}"),
        (config.parallel == "batch", "parallel=batch"),
        (asking, f"algorithm={config.algorithm}"),
        (config.encoder_training == CACHED, f"encoder_training={CACHED}"),
    ):
        if wrong:
            raise InputError(
                f"config.{field}: has no use for a dataset on disk; set config.dataset_storage=memory."
            )


def _check_cached(config: RunConfig) -> None:
    """Refuses what goes with no backbone that encodes each observation once."""
    given = f"config.encoder_training={CACHED}"
    if "readout" not in arguments(FAMILIES[config.networks]):
        known = ", ".join(name for name, make in FAMILIES.items() if "readout" in arguments(make))
        raise InputError(f"{given}: config.networks={config.networks} has no backbone; choose {known}.")
    if not config.init_from:
        raise InputError(f"{given}: needs a backbone; give config.init_from, a run or a file of weights.")
    for field in ("image_shift", "color_jitter", "normalize_observations"):
        if value := getattr(config, field):
            raise InputError(f"{given}: config.{field}={value} is of what was encoded before; leave it out.")


def _owner(config: RunConfig, name: str) -> str:
    """The algorithm whose argument a field is, if it is one."""
    online = config.online.algorithm or config.algorithm
    return online if name.startswith(ARGUMENTS) else name.partition(".")[0]


def unread(config: RunConfig, name: str) -> str:
    """Why no phase of the run reads a field, and what to do; empty if one does."""
    section, _, field = name.partition(".")
    phases = phases_of(config)
    reading = set(phases.values())
    if section in AGENTS and field:
        if section not in reading:
            known = " and ".join(f"config.{one}" for one in sorted(reading))
            return f"no phase of this run is of {section!r}; give fields of {known}, or leave it out"
        if field in config.online.arguments and phases.get("offline") != section:
            return f"config.online.arguments.{field} takes its place online; give that one"
    if section == "preferences" and not (
        config.offline.updates > 0 and any(reads(one, PREFERRED_ACTION) for one in reading)
    ):
        return f"nobody is asked in a run of {' and '.join(sorted(reading))}; leave it out"
    if section in LENGTHS and field != LENGTHS[section]:
        length = f"{section}.{LENGTHS[section]}"
        if config.flat()[length] == 0:
            return f"config.{length}=0 leaves the phase out; set both, or leave it out"
    return _of_another(config, name)


def _of_another(config: RunConfig, name: str) -> str:
    """`unread` for fields that another field switches off."""
    preferences, online = config.preferences, config.online
    own = (bool(config.dataset), f"dataset={config.dataset}")
    made = (not has_dataset(config), "dataset_steps=0")
    unranked = (not preferences.rank_net, "preferences.rank_net=False")
    fixed = online.mixing_ratio != -1.0 or online.mixing_anneal > 0
    falling = config.actor_cosine_decay and online.env_steps > 0
    off = {
        "online.mixing_ratio_final": (online.mixing_anneal == 0, "online.mixing_anneal=0"),
        "actor_cosine_decay": (falling, f"online.env_steps={online.env_steps}"),
        "actor_final_rate": (not config.actor_cosine_decay, "actor_cosine_decay=False"),
        "dataset_steps": own,
        "dataset_seed": own if own[0] else made,
        "dataset_kind": own if own[0] else made,
        "init_parts": (not config.init_from, "init_from= (empty)"),
        "readout": (
            "readout" not in arguments(FAMILIES[config.networks]),
            f"networks={config.networks}",
        ),
        "critic_actions": (
            "critic_actions" not in arguments(FAMILIES[config.networks]),
            f"networks={config.networks}",
        ),
        "flow_steps": (not config.flow_noise, "flow_noise=False"),
        "clip_groups": (config.max_gradient_norm == 0, "max_gradient_norm=0"),
        "online.merged_exactly": (fixed, f"online.mixing_ratio={online.mixing_ratio}"),
        "preferences.query_interval": (preferences.all_at_once > 0, "preferences.all_at_once"),
        "preferences.rank_net_hidden": unranked,
        "preferences.rank_net_dropout": unranked,
        "preferences.rank_net_epochs": unranked,
    }
    unused = config.encoder == "auto" or name in OF_UPDATES
    if name in OF_ENCODERS and unused and task_of(config).spec.flat:
        return f"observations of {config.task} are vectors, which no encoder changes; leave it out"
    switched, by = off.get(name, (False, ""))
    return f"config.{by} leaves it without effect; leave one of them out" if switched else ""


def check_given(config: RunConfig, given: Iterable[str], fresh: Mapping[str, Any]) -> None:
    """Refuses values out of bounds, and what is given though nothing reads it.

    Args:
      config: with all that is given.
      given: names of the fields that the command line gives.
      fresh: `{field: value}` without them.

    Raises:
      InputError: names the field, why it is not read, and what to do.
    """
    check(config)
    given, values = list(given), config.flat()
    for name, advice in CHOOSING.items():
        if name in given and values[name] != fresh[name]:
            value = values[name]
            raise InputError(
                f"config.{name}={value}: the other fields keep the values of {fresh[name]!r}; "
                f"{advice.format(value=value)}."
            )
    for name in given:
        why = unread(config, name)
        if why:
            raise InputError(f"config.{name}: is not read: {why}.")
