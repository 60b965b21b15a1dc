"""A restored policy that acts with other arguments than it was trained with."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from rankq_jax.configs import changes, checks
from rankq_jax.configs.run_config import ARGUMENTS, RunConfig, learning_phase, phases_of
from rankq_jax.errors import InputError
from rankq_jax.specs import seen
from rankq_jax.training import build
from rankq_jax.training.restore import Restored, agent_of


def with_arguments(restored: Restored, given: Mapping[str, str]) -> Restored:
    """The same parameters behind an agent with other arguments, e.g. `{"flow_bc.steps": "1"}`.

    Allowed is what leaves the shapes of the state and changes how the policy acts: the program of its greedy
    actions is compared.

    Args:
      restored: a checkpoint, or a file of weights.
      given: texts of fields, from `configs.changes.arguments_in`.

    Raises:
      InputError: if a field is no argument of the algorithm that acts, its value is out of its bounds, or it
        changes the state, or nothing.
    """
    if not given:
        return restored
    own, program = restored.config.flat(), _program(restored)
    for field, value in changes.values_of(restored.config, given).items():
        _refuse_unread(restored, field)
        if field in own and value == own[field]:
            continue
        config = changes.changed(restored.config, {field: value})
        checks.check(config)
        built = build.experiment(config, jax.local_devices()[:1])
        if _shapes(built.state) != _shapes(restored.built.state):
            raise InputError(f"config.{field}={value}: changes the state of the agent; train with it.")
        restored = restored._replace(config=config, built=built, agent=agent_of(built, restored.notes))
        before, program = program, _program(restored)
        if program == before:
            raise InputError(f"config.{field}={value}: does not change how the policy acts; leave it out.")
    return restored


def algorithm_of(config: RunConfig, notes: Mapping[str, Any]) -> tuple[str, str]:
    """Phase and algorithm of the agent of a checkpoint with these notes."""
    phase, algorithm = list(phases_of(config).items())[notes.get("phase", -1)]
    return learning_phase(config, phase), algorithm


def _refuse_unread(restored: Restored, field: str) -> None:
    phase, algorithm = algorithm_of(restored.config, restored.notes)
    section, _, name = field.partition(".")
    online = restored.config.online.arguments if phase == "online" else {}
    if field.startswith(ARGUMENTS):
        if phase != "online":
            raise InputError(f"config.{field}: is of the online phase; give config.{algorithm}.ARGUMENT.")
    elif section != algorithm:
        raise InputError(f"config.{field}: the policy is of {algorithm}; give config.{algorithm}.ARGUMENT.")
    elif name in online:
        raise InputError(f"config.{field}: config.{ARGUMENTS}{name} takes its place online; give that one.")


def _shapes(state: Any) -> Any:
    return jax.tree.map(lambda leaf: (leaf.shape, str(leaf.dtype)), state)


def _program(restored: Restored) -> str:
    """What the greedy actions of one observation for each seed are computed by."""
    spec, seeds = restored.built.task.spec, len(restored.built.seeds)
    keys = jax.vmap(jax.random.key)(np.arange(seeds, dtype=np.uint32))
    lowered = jax.jit(restored.agent.act_greedy).lower(restored.params, seen(spec.empty(seeds, 1)), keys)
    return str(lowered.as_text())
