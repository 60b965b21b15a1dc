"""The values of every field of a configuration. Those of a section are what its agent declares."""

from collections.abc import Iterator
from typing import Annotated, Any

import ml_collections

from rankq_jax import tasks
from rankq_jax.agents import AGENTS
from rankq_jax.bounds import (
    Bound,
    Count,
    Dropout,
    Either,
    Finite,
    Interval,
    NonNegative,
    OneOf,
    Positive,
    Rate,
    Switch,
    Text,
    UnitInterval,
    Whole,
    Widths,
    arguments,
    bound_of,
    fields,
    told,
)
from rankq_jax.data.readings import READINGS
from rankq_jax.errors import InputError, suggestion
from rankq_jax.networks import FAMILIES, Sizes
from rankq_jax.tasks.datasets import MOST_STEPS
from rankq_jax.training.agents import CLIP_GROUPS
from rankq_jax.training.execution import CHOICES

LAST_SEED = 2**32 - 1  # of a random key
Line = Annotated[str, Text()]
Seed = Annotated[int, Interval(0, LAST_SEED, integer=True)]
# Of a policy's or a critic's rate; 0 leaves the network as it is.
LearningRate = Annotated[float, Interval(0.0, 1.0)]
# 1 - discount has 5 digits in float32 up to here: a horizon of 100,000 steps.
Discount = Annotated[float, Interval(0.0, 0.99999, above=True)]
Threads = Annotated[int, Interval(0, 4096, integer=True)]
Dispatch = Annotated[int, Interval(1, 1_000_000, integer=True)]  # updates of one program
PerStep = Annotated[float, Interval(0.0, 1000.0)]
Minutes = Annotated[float, Interval(0.0, 525_600.0)]  # a year
Restarts = Annotated[int, Interval(0, 1000, integer=True)]
Steps = Annotated[int, Interval(0, MOST_STEPS, integer=True)]
Algorithm = Annotated[str, OneOf(AGENTS, "algorithm")]
PhaseAlgorithm = Annotated[str, OneOf(AGENTS, "algorithm", empty=True)]
Mixing = Annotated[float, Either((Interval(0.0, 1.0), Interval(-1.0, -1.0)), "-1 or between 0 and 1")]

ANNOTATIONS: dict[str, Any] = {
    "task": Annotated[str, OneOf(tasks.TASKS, "task")],
    "algorithm": Algorithm, "name": Annotated[str, Text(255)],
    "seed": Seed, "seeds": Count, "parallel": Annotated[str, OneOf(("seeds", "batch"))], "threads": Threads,
    "dataset": Line, "dataset_reading": Annotated[str, OneOf(READINGS)], "dataset_steps": Steps,
    "dataset_seed": Seed, "dataset_kind": Annotated[str, Text(255)], "keep_best": Rate, "standardise": Switch,
    "reward_scale": Positive, "reward_bias": Finite, "discount": Discount, "batch_size": Count,
    "networks": Annotated[str, OneOf(FAMILIES)],
    "actor_learning_rate": LearningRate, "actor_cosine_decay": Switch, "critic_learning_rate": LearningRate,
    "success_weight": Annotated[str, OneOf(("given", "balanced"))], "max_gradient_norm": NonNegative,
    "clip_groups": Annotated[str, OneOf(CLIP_GROUPS)], "replay_capacity": Count, "train_envs": Count,
    "evaluation_episodes": Count, "checkpoint_minutes": Minutes, "keep_checkpoints": Count,
    "keep_best_checkpoints": Whole, "restarts": Restarts,
    "preferences.expert": Line, "preferences.query_limit": Whole, "preferences.query_interval": Count,
    "preferences.all_at_once": Whole, "preferences.flipped_answers": UnitInterval,
    "preferences.rank_net": Switch, "preferences.rank_net_hidden": Widths,
    "preferences.rank_net_dropout": Dropout, "preferences.rank_net_epochs": Count,
    "offline.algorithm": PhaseAlgorithm, "offline.updates": Whole, "offline.updates_per_round": Count,
    "offline.updates_per_dispatch": Dispatch, "offline.evaluate_every": Whole,
    "offline.checkpoint_every": Whole,
    "online.algorithm": PhaseAlgorithm, "online.env_steps": Whole, "online.env_steps_per_round": Count,
    "online.updates_per_step": PerStep, "online.updates_per_dispatch": Dispatch, "online.overlap": Switch,
    "online.merged_exactly": Switch, "online.terminates": Switch,
    "online.mixing_ratio": Mixing, "online.mixing_ratio_final": Mixing, "online.mixing_anneal": Whole,
    "online.warmup": Whole, "online.evaluate_every": Whole, "online.checkpoint_every": Whole,
}  # fmt: skip
FROM_SIZES = ("actor_hidden", "critic_hidden", "critics", "critic_layer_norm", "actor_dropout")
SHARED: dict[str, Bound] = {
    **{name: found for name, kind in ANNOTATIONS.items() if (found := bound_of(kind)) is not None},
    **{name: fields(Sizes)[name] for name in FROM_SIZES},
    **{f"execution.{name}": OneOf(known) for name, known in CHOICES.items()},
}
ARGUMENTS = "online.arguments."


def leaves(config: ml_collections.ConfigDict, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Name and value of every field, with dots between the names."""
    for name in config:
        value = config[name]
        if isinstance(value, ml_collections.ConfigDict | dict):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _agent(config: ml_collections.ConfigDict, name: str) -> tuple[str, str]:
    """Whose argument a field is, and which; two empty strings if it is shared by all."""
    if name.startswith(ARGUMENTS):
        return config.online.algorithm or config.algorithm, name.removeprefix(ARGUMENTS)
    section, _, argument = name.partition(".")
    return (section, argument) if section in AGENTS else ("", "")


def bound(config: ml_collections.ConfigDict, name: str) -> Bound | None:
    """The values of a field; None for an argument of an agent that declares none.

    Raises:
      InputError: if there is no such field.
    """
    if name in SHARED:
        return SHARED[name]
    algorithm, argument = _agent(config, name)
    known = arguments(AGENTS[algorithm].make) if algorithm in AGENTS else {}
    if algorithm in AGENTS and not known:
        return None
    names = {of: it.bound for of, it in known.items() if it.bound is not None}
    if argument not in names and name.startswith(ARGUMENTS):
        near = suggestion(argument, names)
        raise InputError(
            f"--config.{name}: no argument of {algorithm!r}, which --config.online.algorithm names.{near}"
        )
    if argument not in names:
        near = suggestion(argument, names) if names else suggestion(name, SHARED)
        raise InputError(f"unknown configuration field --config.{name}.{near}")
    return names[argument]


def _refuse(config: ml_collections.ConfigDict, name: str, value: Any) -> None:
    allowed = bound(config, name)
    why = "" if allowed is None else allowed.refusal(value)
    if why:
        message = told(f"--config.{name}", value, why)
        raise InputError(message if message.endswith("?") else f"{message}.")


def check(config: ml_collections.ConfigDict) -> None:
    """Refuses what nothing could be done with: fields that do not exist, values out of bounds.

    Raises:
      InputError: names the field, the value and the bound.
    """
    # By these the arguments of the agents are known.
    _refuse(config, "algorithm", config.algorithm)
    _refuse(config, "online.algorithm", config.online.algorithm)
    for name, value in leaves(config):
        _refuse(config, name, value)
    if config.seed + config.seeds - 1 > LAST_SEED:
        raise InputError(f"--config.seed={config.seed}: the last seed must be at most {LAST_SEED}.")
    online = config.online
    ratios = ("mixing_ratio", "mixing_ratio_final") if online.mixing_anneal > 0 else ()
    for name in ratios:
        if online[name] < 0.0:
            raise InputError(f"--config.online.{name}={online[name]} must be between 0 and 1.")
    if not config.dataset and tasks.find(config.task).generators and config.dataset_steps == 0:
        raise InputError("--config.dataset_steps=0 must be at least 1, or give --config.dataset.")
    if "rlpd" in algorithms_of(config):
        subset = {**config.rlpd, **(online.arguments if online.env_steps else {})}["subset"]
        if subset > config.critics:
            raise InputError(
                f"--config.rlpd.subset={subset} must be at most the {config.critics} of --config.critics."
            )


def algorithms_of(config: ml_collections.ConfigDict) -> list[str]:
    """Names of the agents of the phases that the configuration has."""
    lengths = {"offline": config.offline.updates, "online": config.online.env_steps}
    return [config[phase].algorithm or config.algorithm for phase, length in lengths.items() if length > 0]
