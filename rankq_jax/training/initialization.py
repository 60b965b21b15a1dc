"""The first state of a run that begins with the weights of another run, or with those of a file."""

from pathlib import Path
from typing import Any

import jax
import numpy as np

from rankq_jax import loop
from rankq_jax.agents.encoders import FROZEN
from rankq_jax.configs import RunConfig
from rankq_jax.configs.run_config import phases_of
from rankq_jax.errors import InputError
from rankq_jax.networks.flows import NOISE
from rankq_jax.tasks import Task
from rankq_jax.trained_policies import Weights, load_weights, located
from rankq_jax.training import build, encoding, restore, weights
from rankq_jax.training.acting import algorithm_of
from rankq_jax.training.agents import SIZES, agent_of
from rankq_jax.training.build import Experiment
from rankq_jax.training.restore import Restored
from rankq_jax.training.source import is_file, same_eyes
from rankq_jax.transfer import Transferred, begin, see_through_policy, transfer, without_noise
from rankq_jax.types import Agent


def initialize(
    config: RunConfig, built: Experiment, state: loop.RunState, other: Restored | Weights
) -> tuple[loop.RunState, str]:
    """`state` with what a checkpoint of `config.init_from` gives it, and what that was, in words.

    The seed i takes the weights of the other run's seed i, and begins again with its first one where it has
    fewer seeds. All seeds take those of a file. Replay buffers, counts and random numbers are those of the
    new run. Where only one of the two caches its backbone, all seeds take the policy of the other's first.

    Args:
      config: of the new run.
      built: what the configuration describes.
      state: before the first iteration.
      other: what `read_source` returns.

    Raises:
      InputError: if the observations or actions of the two tasks differ, or nothing of the other run fits.
    """
    if isinstance(other, Weights):
        return _initialize_with(other, config, built, state)
    folder = Path(config.init_from).expanduser()
    _check_spec(folder, other.built.recorded, built.recorded)
    layout = built.layout
    new = layout.merge(state.agent)
    seeds = np.arange(len(built.seeds)) % len(other.built.seeds)
    old = jax.tree.map(lambda leaf: np.asarray(leaf)[seeds], other.state)
    _, algorithm = algorithm_of(other.config, other.notes)
    acting = agent_of(other.config, algorithm, other.built.networks, {}).params(old)
    found = _transferred(config, other.config, _first_agent(config, built), new, old, acting)
    notes = other.notes
    counts = f"{notes['updates']} updates and {notes['env_steps']} environment steps"
    begun = state._replace(agent=layout.split(_owned(found.state)))
    return begun, f"weights of {folder} after {counts}: {_parts(found)}"


def _parts(found: Transferred) -> str:
    return f"{', '.join(found.copied)}; initialized: {', '.join(found.initialized) or 'nothing'}"


def _first_agent(config: RunConfig, built: Experiment) -> Agent:
    """The agent of the first phase, of one seed."""
    return agent_of(config, next(iter(phases_of(config).values())), built.networks, {})


def _initialize_with(
    found: Weights, config: RunConfig, built: Experiment, state: loop.RunState
) -> tuple[loop.RunState, str]:
    """`initialize` from a file: parameters of the policy, wherever the state holds their like."""
    name, layout = config.init_from, built.layout
    begun = _begun_with(found, config, built, layout.merge(state.agent), len(built.seeds))
    told = f"weights of {name} after {found.provenance.get('updates')} updates: {_parts(begun)}"
    return state._replace(agent=layout.split(_owned(begun.state))), told


def _begun_with(
    found: Weights, config: RunConfig, built: Experiment, new: Any, seeds: int | None
) -> Transferred:
    """A first state with the parameters of a file, leaves `[S, ...]`, or those of one seed without S.

    Raises:
      InputError: if the file does not fit; names the field and both values.
    """
    agent = _first_agent(config, built)
    try:
        _check_fields(found, config)
        weights.check_spec(found, built.recorded)
        if encoding.is_cached(config):
            encoding.of_parameters(config, encoding.own_parameters(config, found.parameters))
            found = encoding.without_backbone(found)
        params = weights.fit(found, _known_to(found, agent.params(built.state)))
        if seeds is not None:
            params = jax.tree.map(lambda leaf: np.stack([leaf] * seeds), params)
        return _seeing(config, agent, begin(agent, new, params))
    except ValueError as error:
        raise InputError(f"config.init_from={config.init_from}: {str(error).rstrip('.')}.") from error


def _known_to(found: Weights, params: Any) -> Any:
    """Of the parameters of a policy those that a file can have: a policy that imitates has no noise."""
    noisy = any(NOISE in name.split("/") for name in found.parameters)
    return params if noisy else without_noise(params)


def _seeing(config: RunConfig, agent: Agent, found: Transferred) -> Transferred:
    """What a run begins with: critics see through the encoder of the policy where it is frozen."""
    return see_through_policy(agent, found) if config.encoder_training == FROZEN else found


def refuse_unfit(config: RunConfig, built: Experiment) -> None:
    """Refuses weights that the run cannot begin with by what they are said to be, before data is loaded.

    Raises:
      InputError: as `initialize`; a run of two algorithms may still be refused there.
    """
    if is_file(config):
        _begun_with(load_weights(located(config.init_from)), config, built, built.state, None)
        return
    folder = Path(config.init_from).expanduser()
    theirs = restore.recorded(folder)
    other = build.experiment(theirs, jax.local_devices()[:1])
    _check_spec(folder, other.recorded, built.recorded)
    if encoding.is_cached(config):
        encoding.refuse_other(theirs, config)
    if not same_eyes(config, theirs):
        return
    if len(set(phases_of(theirs).values())) == 1:  # of two, only the checkpoint says whose state it is
        acting = _first_agent(theirs, other).params(other.state)
        _transferred(config, theirs, _first_agent(config, built), built.state, other.state, acting)


def _transferred(
    config: RunConfig, theirs: RunConfig, agent: Agent, new: Any, old: Any, acting: Any
) -> Transferred:
    """`transfer` from a run; the networks in which the two differ stand in its error."""
    try:
        found = transfer(agent, new, old, config.init_parts == "policy", acting)
        return _seeing(config, agent, found)
    except ValueError as error:
        folder = Path(config.init_from).expanduser()
        raise InputError(f"config.init_from={folder}: {error}{_of_networks(theirs, config)}.") from error


def _check_fields(found: Weights, config: RunConfig) -> None:
    """Refuses networks of another preset, and statistics of observations on one side only."""
    for field in ("networks", "readout", "normalize_observations"):
        theirs, ours = found.fields.get(field), getattr(config, field)
        if theirs != ours:
            raise InputError(f"the file is of config.{field}={theirs}, this run of {ours}; let them agree")


def _of_networks(other: RunConfig, config: RunConfig) -> str:
    """In which fields the networks of two configurations differ, in parentheses; empty where in none."""
    found = [
        f"config.{name} is {there!r} there and {here!r} here"
        for name in ("networks", "readout", "encoder", *SIZES, "normalize_observations")
        if (there := getattr(other, name)) != (here := getattr(config, name))
    ]
    return f" ({', '.join(found)})" if found else ""


def _owned(state: Any) -> Any:
    """A state in which no two leaves share a buffer, because it is donated."""
    return jax.tree.map(lambda leaf: np.array(leaf), state)


def _check_spec(folder: Path, other: Task, task: Task) -> None:
    for what, theirs, ours in zip(
        ("observations", "actions"), other.spec.words, task.spec.words, strict=True
    ):
        if theirs != ours:
            raise InputError(
                f"config.init_from={folder}: its task {other.name!r} has {what} of {theirs}, {task.name!r} "
                f"has {ours}; choose a run on a task with the same."
            )
