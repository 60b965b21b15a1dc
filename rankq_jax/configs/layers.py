"""The layers of a configuration: what each of them sets, from the defaults to the arm. Later ones win.

The part after the colon of `--config=NAME:TASK,WORD,...` names the task and, with words, a variant of the
run: `smoke` shrinks it to seconds, `paper` gives it the data, lengths and networks of the papers, and
`offline`, `online`, `online_mix`, `offline_to_online` are the training schemes that the OAP paper compares.

Values that depend on the domain of the task lie in `domains/`, each beside its source.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rankq_jax import tasks
from rankq_jax.agents import AGENTS
from rankq_jax.configs import domains
from rankq_jax.configs.arms import ARMS, DEFAULT_TASK, Arm
from rankq_jax.configs.domains.values import Layer, Values
from rankq_jax.configs.fields import defaults_of_sections
from rankq_jax.configs.run_config import SHARED
from rankq_jax.errors import PLUGINS, InputError, suggestion
from rankq_jax.tasks import datasets, recorded
from rankq_jax.writers import flattened

CAL_QL_CODE = ("sac", "cql", "cal_ql", "rankq")  # what the Cal-QL code trains, and RankQ, built on it

# Table 1 of the OAP paper.
SCHEMES: dict[str, Values] = {
    "offline": {"online.env_steps": 0},
    # One environment, because its batches wait for the first ended episode.
    "online": {"collect.env_steps": 0, "offline.updates": 0, "online.mixing_ratio": 0.0, "train_envs": 1},
    "online_mix": {"offline.updates": 0, "online.mixing_ratio": -1.0},
    "offline_to_online": {"online.mixing_ratio": -1.0},
}
WORDS = ("smoke", "paper", *SCHEMES)
SMOKE_ENVS, SMOKE_STEPS = 2, 600  # environments of a seed, and environment steps of an iteration


def defaults(task: tasks.Task, algorithm: str) -> list[Layer]:
    """Every field, before the domain of the task has its say."""
    shared: Values = {name: it.default for name, it in SHARED.items()}
    of_task: Values = {
        "task": task.name,
        **({"dataset": task.recorded} if task.recorded else {}),
        "dataset_steps": datasets.default_steps(task),
        "reward_scale": task.transform.scale,
        "reward_bias": task.transform.bias,
    }
    of_algorithm: Values = {
        "algorithm": algorithm,
        "name": algorithm,
        "networks": AGENTS[algorithm].networks if algorithm in AGENTS else "cal_ql",
        "online.merged_exactly": algorithm not in CAL_QL_CODE,
    }
    return [
        Layer("default", {**shared, **flattened(defaults_of_sections())}),
        Layer(f"task {task.name}", of_task),
        Layer(f"algorithm {algorithm}", of_algorithm),
    ]


def layers_of(argument: str, algorithm: str = "sac", arm: str | None = None) -> list[Layer]:
    """The layers of an algorithm on a task, and those of an arm.

    Args:
      argument: the task and words, `TASK,WORD,...`; empty takes the task of the arm.
      algorithm: its name; that of an arm has precedence.
      arm: the name of a row of `arms.ARMS`, or of an algorithm, which then has no changes.

    Raises:
      InputError: if the argument names an unknown task or word.
    """
    row = ARMS.get(arm) if arm is not None else None
    row = row or Arm(algorithm if arm is None else arm, arm or algorithm, "")
    name, words = _split(argument or row.task)
    task = _task(name)
    for word in words:
        if word not in WORDS:
            raise InputError(f"unknown option {word!r} in {argument!r}.{suggestion(word, WORDS)}")
    words += row.words
    found = defaults(task, row.algorithm)
    found += domains.layers(task.domain, row.algorithm, task.name, paper="paper" in words)
    if task.recorded:
        found.append(Layer("task without an environment", {"online.env_steps": 0}))
    found += [Layer(f"word {word}", SCHEMES[word]) for word in words if word in SCHEMES]
    if "smoke" in words:
        values = merged(found)
        # Without a dataset batches wait for whole episodes.
        rounds = SMOKE_ENVS * task.spec.horizon if values["collect.env_steps"] else SMOKE_STEPS
        found.append(Layer("word smoke", _smoke(values, rounds)))
    if row.values or row.name != row.algorithm:
        found.append(Layer(f"arm {row.name}", {"name": row.name, **row.values}))
    return found


def _split(argument: str) -> tuple[str, list[str]]:
    """The task and the words of `TASK,WORD,...`. Paths of datasets may have commas, and words are known."""
    name, *words = argument.split(",")
    while name.startswith(recorded.PREFIX) and words and not set(words) <= set(WORDS):
        name += f",{words.pop(0)}"
    return name, words


def _task(name: str) -> tasks.Task:
    """The task of that name; names of D4RL and words in its place are told apart from typing errors."""
    if name in WORDS:
        raise InputError(f"{name!r} stands in the place of the task; write TASK,{name}.")
    stem = re.sub(r"-v\d+$", "", name)
    alike = [known for known in tasks.TASKS if known.startswith(stem)] if stem else []
    alike += [known for known in tasks.TASKS if known.endswith(f"-{stem.partition('-')[0]}")]
    if name not in tasks.TASKS and alike:
        shown = sorted(alike) if all(known.startswith(f"{name}-") for known in alike) else alike[:1]
        hint = f"Did you mean {' or '.join(map(repr, shown))}?"
        raise InputError(f"unknown task {name!r}. {hint}{PLUGINS.format('task')}")
    return tasks.find(name)


def merged(layers: Iterable[Layer]) -> Values:
    """`{field: value}` of the last layer that sets it."""
    return {name: value for layer in layers for name, value in layer.values.items()}


def _smoke(values: Mapping[str, Any], steps: int) -> Values:
    """What shrinks a configuration to a run of seconds that still goes through every phase that it has.

    Args:
      values: those that are shrunk.
      steps: environment steps of an iteration.
    """
    return {
        "dataset_steps": min(values["dataset_steps"], 12_000),
        "actor_hidden": (32, 32),
        "critic_hidden": (32, 32),
        "encoder_filters": (8, 8),
        "encoder_features": 16,
        "batch_size": 32,
        "actor_warmup": min(values["actor_warmup"], 10),
        "evaluation_episodes": 4,
        "replay_capacity": 5_000,
        # Without offline rows updates wait for the first ended episode.
        "train_envs": 1 if values["online.mixing_ratio"] == 0.0 else min(values["train_envs"], SMOKE_ENVS),
        "preferences.query_limit": 200,
        "preferences.query_interval": 20,
        "preferences.rank_net_hidden": (16, 16),
        "preferences.rank_net_epochs": 3,
        "offline.updates": min(values["offline.updates"], 40),
        "offline.updates_per_iteration": 20,
        "offline.evaluate_every": 1,
        "collect.env_steps": min(values["collect.env_steps"], 2 * steps),
        "collect.env_steps_per_iteration": steps,
        "online.env_steps": min(values["online.env_steps"], 3 * steps),
        "online.env_steps_per_iteration": steps,
        "online.updates_per_step": 12 / steps,
        "online.updates_per_dispatch": 4,
        "online.warmup": min(values["online.warmup"], steps),
        **{name: min(value, 10) for name, value in values.items() if name.endswith(".critic_warmup")},
    }


def sources_of(layers: Sequence[Layer]) -> dict[str, Layer]:
    """`{field: the layer that its value comes from}`."""
    return {name: layer for layer in layers for name in layer.values}


__all__ = ["DEFAULT_TASK", "WORDS", "Layer", "defaults", "layers_of", "merged", "sources_of"]
