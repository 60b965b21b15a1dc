"""The policy of a run as a file: in numpy, or as parameters by name; and such parameters as what acts."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rankq_jax import configs
from rankq_jax.agents import AGENTS
from rankq_jax.analysis import results
from rankq_jax.configs import RunConfig, checks
from rankq_jax.configs.changes import changed
from rankq_jax.configs.fields import nested
from rankq_jax.errors import PLUGINS, InputError
from rankq_jax.exporting import by_name, fitted, index_of, to_numpy
from rankq_jax.tasks import TASKS, Task
from rankq_jax.trained_policies import TrainedPolicy, Weights
from rankq_jax.training import agents, build, devices
from rankq_jax.training.acting import algorithm_of
from rankq_jax.training.restore import Restored, agent_of
from rankq_jax.writers import plain

# Of a configuration, beside the arguments of the algorithm: what a policy is built by.
FIELDS = ("networks", "readout", *agents.FLOW, *agents.SIZES, *agents.ENCODER_SIZES, "normalize_observations")


def _provenance(restored: Restored, folder: Path, seed: int) -> dict[str, Any]:
    run, notes = results.read(folder), restored.notes
    place = {"updates": notes["updates"], "env_steps": notes["env_steps"], "seed": seed}
    episodes = [record for record in run.evaluations if place.items() <= record.items()]
    digest = hashlib.sha256(json.dumps(run.config, sort_keys=True).encode()).hexdigest()[:12]
    return {
        **place,
        "mean_return": float(np.mean([episode["return"] for episode in episodes])) if episodes else None,
        "config": run.config,
        "config_digest": digest,
        "commit": run.commit,
        "source": run.source,
        "dataset": run.dataset,
        "versions": run.versions,
    }


def export(restored: Restored, folder: Path, seed: int | None = None) -> TrainedPolicy:
    """The policy of a seed in numpy, compared with the agent's greedy actions.

    Args:
      restored: a checkpoint of the run, with `exact` arithmetic.
      folder: the folder of the run.
      seed: one of the run's seeds; None takes the first.

    Raises:
      InputError: if the run has no such seed, or its policy is none that a file can hold, see `to_numpy`.
    """
    built, seeds = restored.built, restored.built.seeds
    provenance = _provenance(restored, folder, seeds[0] if seed is None else seed)
    spec, task = built.task.spec, restored.config.task
    return to_numpy(restored.agent, restored.params, seeds, seed, spec, task, provenance)


def parameters_of(restored: Restored, folder: Path, seed: int | None = None) -> Weights:
    """The parameters that a policy of a run acts with, and what builds the networks that they fit.

    Args:
      restored: a checkpoint of the run.
      folder: the folder of the run.
      seed: one of the run's seeds; None takes the first.

    Raises:
      InputError: if the run has no such seed.
    """
    config, seeds = restored.config, restored.built.seeds
    index = index_of(seed, seeds)
    phase, algorithm = algorithm_of(config, restored.notes)
    online = config.online.arguments if phase == "online" else {}
    own = {f"{algorithm}.{name}": value for name, value in {**config.sections[algorithm], **online}.items()}
    observation, action = restored.built.task.spec.words
    return Weights(
        parameters={
            name: np.asarray(leaf[index], np.float32) for name, leaf in by_name(restored.params).items()
        },
        algorithm=algorithm,
        task=config.task,
        observation=observation,
        action=action,
        fields=plain({**{field: getattr(config, field) for field in FIELDS}, **own}),
        provenance=_provenance(restored, folder, seeds[index]),
    )


def as_restored(found: Weights, task: str | None = None) -> Restored:
    """What acts with the parameters of a file, as a checkpoint of a run with one seed would.

    The parameters are computed with in float32.

    Args:
      found: from `load_weights`.
      task: to build the networks for; None takes that of the file.

    Raises:
      InputError: if the task or a field of the file is unknown here, or does not fit the parameters.
    """
    devices.start()
    name = found.task if task is None else task
    if task is None and name not in TASKS:
        raise InputError(f"task {name!r}: there is none of this name here; name another one.")
    if found.algorithm not in AGENTS:
        more = PLUGINS.format("agent")
        raise InputError(f"algorithm {found.algorithm!r}: there is none of this name here.{more}")
    plan = {"offline.updates": 1_000, "online.env_steps": 0}  # one phase, in which nothing is trained
    config = configs.recorded(nested({"task": name, "algorithm": found.algorithm, **plan}))
    config = changed(config, _checked(config, found.fields))
    built = build.experiment(config, jax.local_devices()[:1])
    check_spec(found, built.task)
    own = agents.agent_of(config, found.algorithm, built.networks, {})
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], fit(found, own.params(built.state)))
    notes = {"updates": found.provenance.get("updates"), "env_steps": found.provenance.get("env_steps")}
    return Restored(0, config, built, agent_of(built, notes), None, params, notes, None)


def fit(found: Weights, example: Any) -> Any:
    """The parameters of a file with the structure of those that networks have.

    Raises:
      InputError: if they do not fit; names the parameter and both shapes.
    """
    try:
        return fitted(example, found.parameters)
    except ValueError as error:
        preset = found.fields.get("networks")
        raise InputError(f"{error}; the file is of config.networks={preset}.") from error


def check_spec(found: Weights, task: Task) -> None:
    """Refuses a task whose observations or actions are others than those of a file.

    Raises:
      InputError: names both.
    """
    there = (found.observation, found.action)
    for what, theirs, ours in zip(("observations", "actions"), there, task.spec.words, strict=True):
        if theirs != ours:
            raise InputError(
                f"the policy of the task {found.task!r} has {what} of {theirs}, {task.name!r} has {ours}; "
                "choose a task with the same."
            )


def _checked(config: RunConfig, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Values of fields from a file, each known and within its bounds.

    Raises:
      InputError: names the field and the value.
    """
    known = checks.fields_of(config)
    found = {}
    for field, value in fields.items():
        if not (field in FIELDS or field.startswith(f"{config.algorithm}.")) or field not in known:
            raise InputError(f"config.{field}: is no field that a policy of {config.algorithm} is built by.")
        found[field] = tuple(value) if isinstance(value, list) else value
        checks.refuse(field, found[field], known[field])
    return found
