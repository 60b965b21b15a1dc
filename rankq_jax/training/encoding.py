"""What a run encodes each observation with, once: a frozen backbone, maybe its first policy; and its file."""

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
from rankq_jax.networks.flows import NOISE, merge, split
from rankq_jax.networks.vla.features import REFERENCE, features
from rankq_jax.networks.vla.sizes import ABSOLUTE, RELATIVE
from rankq_jax.tasks import Task
from rankq_jax.tasks.encoded import encoded
from rankq_jax.trained_policies import Weights, load_weights
from rankq_jax.trained_policies.weights import digest_of
from rankq_jax.training.agents import networks_of
from rankq_jax.training.workdir import SOURCE, shared

FILE = "backbone.npz"  # in the folder of a run, its backbone as a file of weights
OF_BACKBONE = f"{ENCODER}/"  # begins the names of its parameters
OF_REFERENCE = f"{REFERENCE}/"  # those of the head of the first policy, where critics see relative actions


def is_cached(config: RunConfig) -> bool:
    """Whether agents see features in place of observations."""
    return config.encoder_training == CACHED


def behind_images(config: RunConfig) -> RunConfig:
    """The configuration in which the same policy sees images."""
    return dataclasses.replace(config, encoder_training=FROZEN, critic_actions=ABSOLUTE)


def task_of(config: RunConfig) -> Task:
    """The task as agents see it; where a backbone is cached, without one, so that nothing can be encoded yet.

    Raises:
      InputError: if the task or the networks are refused.
    """
    task = configs.task_of(config)
    if not is_cached(config):
        return task
    networks = networks_of(config, task.spec)
    return encoded(task, encoding_of(networks, _shapes(config, networks, task)))


def encoding_of(networks: Networks, params: Mapping[str, Any]) -> Encoding:
    """What the backbone of networks of images makes of an observation, and what a policy would do, if given.

    Args:
      networks: of images.
      params: of the backbone, and under `REFERENCE` of the head of a policy behind it; or shapes, with which
        nothing can be encoded.
    """
    flow = networks.policy.flow

    def encode(params: Mapping[str, Any], observation: Any) -> dict[str, Any]:
        found = features(flow.encode(params, observation), observation)
        if REFERENCE not in params:
            return found
        policy = merge(split(params)[0], params[REFERENCE])
        return {**found, REFERENCE: networks.policy.mode(policy, observation)}

    return encoding(encode, params)


def _shapes(config: RunConfig, networks: Networks, task: Task) -> dict[str, Any]:
    """Shapes of the parameters that observations of a task are encoded with."""
    row = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((1, *leaf.shape), leaf.dtype), task.spec.observation)
    action = jax.ShapeDtypeStruct((1, *task.spec.action.shape), np.float32)
    backbone, head = split(jax.eval_shape(networks.policy.init, jax.random.key(0), row, action))
    if config.critic_actions == RELATIVE:
        return {**backbone, REFERENCE: {name: part for name, part in head.items() if name != NOISE}}
    return backbone


def own_parameters(config: RunConfig, policy: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a run keeps of the policy that it begins with, to encode with: arrays by name."""
    backbone = {name: array for name, array in policy.items() if name.startswith(OF_BACKBONE)}
    if config.critic_actions != RELATIVE:
        return backbone
    head = {name: array for name, array in policy.items() if name not in backbone}
    kept = {name: array for name, array in head.items() if NOISE not in name.split("/")}
    return {**backbone, **{f"{OF_REFERENCE}{name}": array for name, array in kept.items()}}


def of_parameters(config: RunConfig, found: Mapping[str, np.ndarray]) -> Any:
    """The parameters that a run of a configuration encodes with, from arrays by name.

    Raises:
      ValueError: if they are of another one; names the parameter.
    """
    task = configs.task_of(config)
    shapes = _shapes(config, networks_of(config, task.spec), task)
    own = {name: array for name, array in found.items() if name.startswith((OF_BACKBONE, OF_REFERENCE))}
    return jax.tree.map(jnp.asarray, fitted(shapes, own))


def refuse_other(theirs: RunConfig, config: RunConfig) -> None:
    """Refuses the run of `config.init_from` if its backbone is another one.

    Raises:
      InputError: names the field and both values.
    """
    same_critic = is_cached(theirs) and config.init_parts == "all"
    for field in ("networks", "readout", *(["critic_actions"] if same_critic else [])):
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
    """The parameters that a run encodes with, from its folder.

    Raises:
      InputError: if there is none, it is damaged, or it is not the one that the run has begun with.
    """
    path = folder / FILE
    found = load_weights(path)
    source = shared(folder) / SOURCE
    known = results.read_json(source).get("backbone") if source.exists() else None
    if known is not None and known != digest_of(found.parameters):
        raise InputError(f"{path}: is not the backbone that the run has begun with; put that one back.")
    try:
        params: dict[str, Any] = of_parameters(config, found.parameters)
    except ValueError as error:
        raise InputError(f"{path}: {error}; put the file of the run back.") from error
    return params
