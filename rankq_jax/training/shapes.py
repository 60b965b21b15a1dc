"""Shapes of the state that a configuration trains, and which of its fields they depend on."""

from collections.abc import Sequence
from typing import Any

import jax
import ml_collections

from rankq_jax import tasks
from rankq_jax.errors import InputError
from rankq_jax.training import bounds, build, workdir
from rankq_jax.training.agents import agent_of, networks_of


def differing(
    old: ml_collections.ConfigDict, new: ml_collections.ConfigDict, fields: Sequence[str]
) -> list[str]:
    """Those of the fields, which differ, that give the agent's state other shapes."""
    before = shapes(old)
    if shapes(new) == before:
        return []
    values, others = old.to_dict(), workdir.flat(new)
    found = []
    for field in fields:
        try:
            if shapes(_with(values, field, others[field])) != before:
                found.append(field)
        except InputError:  # goes with another field that changes
            found.append(field)
    return found or list(fields)


def _with(config: dict[str, Any], field: str, value: Any) -> ml_collections.ConfigDict:
    first, _, rest = field.partition(".")
    inner = _with(config.get(first, {}), rest, value).to_dict() if rest else value
    return ml_collections.ConfigDict({**config, first: inner})


def shapes(config: ml_collections.ConfigDict) -> str:
    """Structure, shapes and types of the state of one seed's agent.

    Raises:
      InputError: if a value is wrong.
    """
    task, algorithms = tasks.find(config.task), bounds.algorithms_of(config)
    example = build.example(config, task)
    agent = agent_of(config, algorithms[0], networks_of(config, example.action.shape[-1]), {})
    return str(jax.eval_shape(agent.init, jax.random.key(0), example))
