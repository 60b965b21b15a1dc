"""The frozen backbone of a run whose observations are encoded once: what it makes of them, and its file."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rankq_jax import configs
from rankq_jax.agents.encoders import CACHED, FROZEN
from rankq_jax.analysis import results
from rankq_jax.configs import RunConfig
from rankq_jax.envs.encoding import Encoding, encoding
from rankq_jax.errors import InputError
from rankq_jax.exporting import fitted
from rankq_jax.networks import Networks
from rankq_jax.networks.encoded import ENCODER
from rankq_jax.networks.flows import split
from rankq_jax.networks.vla.features import features
from rankq_jax.tasks import Task
from rankq_jax.tasks.encoded import encoded
from rankq_jax.trained_policies import Weights, load_weights
from rankq_jax.trained_policies.weights import digest_of
from rankq_jax.training.agents import networks_of
from rankq_jax.training.workdir import PART, SOURCE

FILE = "backbone.npz"  # in the folder of a run, its backbone as a file of weights
OF_BACKBONE = f"{ENCODER}/"  # begins the names of its parameters


def is_cached(config: RunConfig) -> bool:
    """Whether agents see features in place of observations."""
    return config.encoder_training == CACHED


def behind_images(config: RunConfig) -> RunConfig:
    """The configuration in which the same policy sees images."""
    return dataclasses.replace(config, encoder_training=FROZEN)


def task_of(config: RunConfig) -> Task:
    """The task as agents see it; where a backbone is cached, without one, so that nothing can be encoded yet.

    Raises:
      InputError: if the task or the networks are refused.
    """
    task = configs.task_of(config)
    if not is_cached(config):
        return task
    return encoded(task, encoding_of(networks_of(config, task.spec), task))


def encoding_of(networks: Networks, task: Task, backbone: Any = None) -> Encoding:
    """What the backbone of networks of images makes of an observation.

    Args:
      networks: of images.
      task: of their observations.
      backbone: its parameters; None: only shapes are known, and nothing can be encoded.
    """
    flow = networks.policy.flow
    return encoding(
        lambda params, observation: features(flow.encode(params, observation), observation),
        _shapes(networks, task) if backbone is None else backbone,
    )


def _shapes(networks: Networks, task: Task) -> dict[str, Any]:
    """Shapes of the parameters of the backbone of networks of images."""
    row = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((1, *leaf.shape), leaf.dtype), task.spec.observation)
    action = jax.ShapeDtypeStruct((1, *task.spec.action.shape), np.float32)
    return split(jax.eval_shape(networks.policy.init, jax.random.key(0), row, action))[0]


def of_parameters(config: RunConfig, found: Mapping[str, np.ndarray]) -> Any:
    """The parameters of the backbone of a configuration, from arrays by name.

    Raises:
      ValueError: if they are of another one; names the parameter.
    """
    task = configs.task_of(config)
    shapes = _shapes(networks_of(config, task.spec), task)
    own = {name: array for name, array in found.items() if name.startswith(OF_BACKBONE)}
    return jax.tree.map(jnp.asarray, fitted(shapes, own))


def refuse_other(theirs: RunConfig, config: RunConfig) -> None:
    """Refuses the run of `config.init_from` if its backbone is another one.

    Raises:
      InputError: names the field and both values.
    """
    for field in ("networks", "readout"):
        if (there := getattr(theirs, field)) != (here := getattr(config, field)):
            raise InputError(
                f"config.init_from={config.init_from}: the run is of config.{field}={there}, this one of "
                f"{here}; let them agree."
            )


def without_backbone(found: Weights) -> Weights:
    """The weights of a policy without those of its backbone."""
    own = {name: array for name, array in found.parameters.items() if not name.startswith(OF_BACKBONE)}
    return found._replace(parameters=own)


def stored(config: RunConfig, folder: Path) -> dict[str, Any]:
    """The parameters of the backbone of a run, from its folder.

    Raises:
      InputError: if there is none, it is damaged, or it is not the one that the run has begun with.
    """
    path = folder / FILE
    found = load_weights(path)
    shared = folder.parent if folder.name.startswith(PART) else folder
    known = results.read_json(shared / SOURCE).get("backbone") if (shared / SOURCE).exists() else None
    if known is not None and known != digest_of(found.parameters):
        raise InputError(f"{path}: is not the backbone that the run has begun with; put that one back.")
    try:
        params: dict[str, Any] = of_parameters(config, found.parameters)
    except ValueError as error:
        raise InputError(f"{path}: {error}; put the file of the run back.") from error
    return params
