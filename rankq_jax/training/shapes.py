"""Shapes of the state that a configuration trains, and which of its fields they depend on."""

from collections.abc import Sequence

import jax

from rankq_jax import configs, tasks
from rankq_jax.configs import RunConfig, algorithms_of
from rankq_jax.configs.fields import nested
from rankq_jax.errors import InputError
from rankq_jax.training import build, workdir
from rankq_jax.training.agents import agent_of, networks_of


def differing(old: RunConfig, new: RunConfig, fields: Sequence[str]) -> list[str]:
    """Those of the fields, which differ, that give the agent's state other shapes."""
    before = shapes(old)
    if shapes(new) == before:
        return []
    values, others = old.flat(), workdir.flat(new)
    found = []
    for field in fields:
        try:
            if shapes(configs.recorded(nested({**values, field: others[field]}))) != before:
                found.append(field)
        except InputError:  # goes with another field that changes
            found.append(field)
    return found or list(fields)


def shapes(config: RunConfig) -> str:
    """Structure, shapes and types of the state of one seed's agent.

    Raises:
      InputError: if a value is wrong.
    """
    task, algorithms = tasks.find(config.task), algorithms_of(config)
    example = build.example(config, task)
    agent = agent_of(config, algorithms[0], networks_of(config, task.spec), {})
    return str(jax.eval_shape(agent.init, jax.random.key(0), example))
