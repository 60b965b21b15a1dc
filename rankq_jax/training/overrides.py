"""What the command line changes in a configuration, and whether anything reads it.

A value of a file may be for a phase that another command has. A value of the command line is meant for this
run: one that it does not read is refused, so that nobody takes the result for that of another value.
"""

from collections.abc import Iterable
from typing import Any

import ml_collections
from absl import flags
from ml_collections import config_flags

from rankq_jax.agents import AGENTS, reads
from rankq_jax.errors import InputError
from rankq_jax.training import bounds
from rankq_jax.types import PREFERRED_ACTION

# Of a phase, what says whether there is one.
LENGTHS = {"offline": "updates", "online": "env_steps"}
# `task` and `algorithm` choose the defaults of other fields, which are there before a flag is read.
CHOOSING = {
    "task": "write it after the colon, --config=FILE:{value}, where the values that belong to it follow",
    "algorithm": "give the file of that arm, e.g. experiments/configs/{value}.py, which has its own values",
}


def readers(config: ml_collections.ConfigDict) -> dict[str, set[str]]:
    """The phases that read the section of an algorithm, by the name of the section."""
    found: dict[str, set[str]] = {}
    for phase, length in LENGTHS.items():
        if config[phase][length] > 0:
            found.setdefault(config[phase].algorithm or config.algorithm, set()).add(phase)
    return found


def unread(config: ml_collections.ConfigDict, name: str) -> str:
    """Why no phase of the run reads a field, and what to do; empty if one does."""
    section, _, field = name.partition(".")
    reading = readers(config)
    if section in AGENTS and field:
        if section not in reading:
            known = " and ".join(f"--config.{one}" for one in sorted(reading))
            return f"no phase of this run is of {section!r}; give fields of {known}, or leave it out"
        if reading[section] == {"online"} and field in config.online.arguments:
            return f"--config.online.arguments.{field} takes its place online; give that one"
    asking = config.offline.updates > 0 and any(reads(name, PREFERRED_ACTION) for name in reading)
    if section == "preferences" and not asking:
        return f"nobody is asked in a run of {' and '.join(sorted(reading))}; leave it out"
    if section in LENGTHS and field != LENGTHS[section] and config[section][LENGTHS[section]] == 0:
        return f"--config.{section}.{LENGTHS[section]}=0 leaves the phase out; set both, or leave it out"
    return _of_another(config, name)


def _of_another(config: ml_collections.ConfigDict, name: str) -> str:
    """`unread` for fields that another field switches off."""
    preferences, online = config.preferences, config.online
    off = {
        "online.mixing_ratio_final": (online.mixing_anneal == 0, "online.mixing_anneal=0"),
        "actor_cosine_decay": (
            config.actor_cosine_decay and online.env_steps > 0,
            f"online.env_steps={online.env_steps}",
        ),
        "dataset_steps": (bool(config.dataset), f"dataset={config.dataset}"),
        "dataset_seed": (bool(config.dataset), f"dataset={config.dataset}"),
        "dataset_kind": (bool(config.dataset), f"dataset={config.dataset}"),
        "clip_groups": (config.max_gradient_norm == 0, "max_gradient_norm=0"),
        "online.merged_exactly": (
            online.mixing_ratio != -1.0 or online.mixing_anneal > 0,
            f"online.mixing_ratio={online.mixing_ratio}",
        ),
        "preferences.query_interval": (preferences.all_at_once > 0, "preferences.all_at_once"),
        **{
            f"preferences.{field}": (not preferences.rank_net, "preferences.rank_net=False")
            for field in ("rank_net_hidden", "rank_net_dropout", "rank_net_epochs")
        },
    }
    switched, by = off.get(name, (False, ""))
    return f"--config.{by} leaves it without effect; leave one of them out" if switched else ""


def _names(given: Iterable[str], config: ml_collections.ConfigDict) -> list[str]:
    """The fields that are given; of a section that is given as a whole, all of its fields."""
    known = [name for name, _ in bounds.leaves(config)]
    return [name for one in given for name in known if name == one or name.startswith(f"{one}.")]


def checked(flag: flags.FlagHolder[Any]) -> ml_collections.ConfigDict:
    """The configuration of the command line, see `check`."""
    known: Any = flags.FLAGS[flag.name]
    fresh = known.parser.parse(known.config_filename)
    check(flag.value, config_flags.get_override_values(known), fresh)
    return flag.value


def check(config: ml_collections.ConfigDict, given: Iterable[str], fresh: ml_collections.ConfigDict) -> None:
    """Refuses values out of bounds, and what is given though nothing reads it.

    Args:
      config: with all that is given.
      given: names of the fields that the command line gives.
      fresh: what the file makes without them.

    Raises:
      InputError: names the field, why it is not read, and what to do.
    """
    bounds.check(config)
    for name, advice in CHOOSING.items():
        if name in given and config[name] != fresh[name]:
            value = config[name]
            raise InputError(
                f"--config.{name}={value}: the other fields keep the values of {fresh[name]!r}; "
                f"{advice.format(value=value)}."
            )
    for name in _names(given, config):
        why = unread(config, name)
        if why:
            raise InputError(f"--config.{name}: is not read: {why}.")
