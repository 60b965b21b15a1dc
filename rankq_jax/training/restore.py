"""A finished or running experiment from its folder: the agent's parameters, and how to use them."""

import dataclasses
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rankq_jax import configs, registry
from rankq_jax.analysis import results
from rankq_jax.checkpoints import Checkpoints
from rankq_jax.configs import RunConfig
from rankq_jax.errors import InputError
from rankq_jax.lifting import Normalized
from rankq_jax.losses import ensemble_min
from rankq_jax.networks import merge, split
from rankq_jax.training import build, devices, encoding
from rankq_jax.training.build import Experiment
from rankq_jax.types import Agent


class Restored(NamedTuple):
    """A checkpoint of a run.

    Attributes:
      number: of the checkpoint.
      config: resolved configuration; of a run whose backbone was cached, with the backbone beside the head.
      built: what the configuration describes.
      agent: lifted, of the phase that the checkpoint lies in.
      state: of the agent, leaves `[S, ...]`.
      params: what acting needs of it.
      notes: of the checkpoint, among them `updates` and `env_steps`.
      value: `(seed index) -> (observation [B, O], action [B, A]) -> [B]`, the minimum over critic members;
        None if the agent has no critic.
    """

    number: int
    config: RunConfig
    built: Experiment
    agent: Agent
    state: Any
    params: Any
    notes: dict[str, Any]
    value: Callable[[int], Callable[[jax.Array, jax.Array], jax.Array]] | None


def recorded(folder: Path) -> RunConfig:
    """The configuration of a run; fields that are younger than the run have their defaults.

    Raises:
      InputError: if the folder is no run's, or its task is unknown.
    """
    about = results.about(folder)
    registry.load_plugins(about.get("imports", []))  # agents and tasks of other packages
    return configs.recorded(about["config"])


def load_imports(folders: Iterable[Path]) -> None:
    """Imports the packages that runs have recorded, for runs and for folders of runs.

    Records that cannot be read are left to whoever reads the runs.

    Raises:
      InputError: if a package cannot be imported.
    """
    for folder in folders:
        for path in (folder / "config.json", *folder.glob("*/config.json")):
            try:
                names = json.loads(path.read_text()).get("imports", [])
            except (OSError, ValueError, AttributeError, RecursionError):
                continue
            if isinstance(names, list) and all(isinstance(name, str) for name in names):
                registry.load_plugins(names)


def agent_of(built: Experiment, notes: dict[str, Any]) -> Agent:
    """The agent of the phase of a checkpoint; of the last one where its notes name none."""
    return built.plan[notes.get("phase", -1)].agent


def _like(config: RunConfig, built: Experiment, notes: dict[str, Any]) -> Any:
    """A state of the run's agent, leaves `[S, ...]`: its structure, not its values."""
    layout, agent = built.layout, agent_of(built, notes)

    def state(example: Any) -> Any:
        keys = jax.vmap(jax.random.key)(jnp.asarray(built.seeds, jnp.uint32))
        return layout.merge(agent.init(layout.split(keys), layout.replicate(example)))

    shapes = jax.eval_shape(state, build.example(config, built.task))  # nothing is drawn or compiled
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)


def of_state(
    config: RunConfig, built: Experiment, state: Any, notes: dict[str, Any], number: int = 0
) -> Restored:
    """What can be done with a state of a run, leaves `[S, ...]`; see `Restored` for the arguments."""
    agent = agent_of(built, notes)

    def value(index: int) -> Callable[[jax.Array, jax.Array], jax.Array]:
        own = jax.tree.map(lambda x: x[index], state)
        inner, seen = (own.inner, own.seen) if isinstance(own, Normalized) else (own, lambda x: x)
        apply = built.networks.critic.apply
        return lambda observation, action: ensemble_min(apply(inner.critic.params, seen(observation), action))

    has_critic = hasattr(state.inner if isinstance(state, Normalized) else state, "critic")
    params = agent.params(built.layout.split(state))
    return Restored(number, config, built, agent, state, params, notes, value if has_critic else None)


def restore(folder: Path, best: bool = False, *, exact: bool = False, number: int | None = None) -> Restored:
    """Reads a checkpoint below a `--workdir`.

    Args:
      folder: the `--workdir`.
      best: the checkpoint of the best evaluation, not the newest.
      exact: the networks compute in float32 at the highest precision, whatever they were trained in.
      number: of the checkpoint to read, not the newest.

    Raises:
      InputError: if the folder is no run's, or holds no checkpoint yet, or none that was evaluated, or not
        the one of that number.
    """
    config = recorded(folder)
    if exact:
        execution = dataclasses.replace(config.execution, compute_dtype="float32", matmul_precision="highest")
        config = dataclasses.replace(config, execution=execution)
    devices.start()
    # One device holds the parameters of all seeds, and divides every batch.
    built = build.experiment(config, jax.local_devices()[:1])
    if not (folder / "checkpoints").is_dir():
        raise InputError(f"{folder}: holds no checkpoints; train it first.")
    checkpoints = Checkpoints(folder / "checkpoints", reading=True)
    if best and checkpoints.marks.best is None:
        raise InputError(f"{folder}: holds no checkpoint that was evaluated; leave --best out.")
    try:
        number = checkpoints.marks.best if best else number
        found = checkpoints.restore(lambda notes: {"agent": _like(config, built, notes)}, number=number)
    except FileNotFoundError as error:
        raise InputError(f"{folder}: holds no checkpoint yet; train it first.") from error
    finally:
        checkpoints.close()
    restored = of_state(config, built, found.parts["agent"], found.notes, found.number)
    return of_images(restored, folder) if encoding.is_cached(config) else restored


def of_images(restored: Restored, folder: Path) -> Restored:
    """A run that has learned from features, as what acts on observations: its head behind its backbone.

    The state stays that of the run. Features are not rounded to half precision on the way.

    Raises:
      InputError: as `encoding.stored`.
    """
    config = encoding.behind_images(restored.config)
    built = build.experiment(config, jax.local_devices()[:1])
    params = encoding.stored(restored.config, folder)
    seeds, value = len(restored.built.seeds), restored.value
    of_all = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (seeds, *leaf.shape)), split(params)[0])
    encode = encoding.encoding_of(built.networks, params).rows
    return restored._replace(
        config=config,
        built=built,
        agent=agent_of(built, restored.notes),
        params=merge(of_all, restored.params),
        value=value and (lambda index: lambda x, action: value(index)(encode(x), action)),
    )
