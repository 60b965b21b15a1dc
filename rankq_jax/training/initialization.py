"""The first state of a run that begins with the weights of another run."""

from pathlib import Path
from typing import Any

import jax
import numpy as np

from rankq_jax import files, loop
from rankq_jax.analysis import results
from rankq_jax.configs import RunConfig
from rankq_jax.configs.run_config import phases_of
from rankq_jax.errors import InputError
from rankq_jax.tasks import Task
from rankq_jax.training import restore
from rankq_jax.training.agents import SIZES, agent_of
from rankq_jax.training.build import Experiment
from rankq_jax.training.restore import Restored
from rankq_jax.training.workdir import PART, SOURCE
from rankq_jax.transfer import transfer
from rankq_jax.writers import write_json


def read_source(config: RunConfig, workdir: Path) -> Restored:
    """The checkpoint of `config.init_from` that a run begins with: at first the newest, later the same again.

    The run may be killed before its first checkpoint, and the other run may go on meanwhile. So the number of
    the checkpoint is recorded in `workdir`, or in the folder that processes with seeds of their own share.

    Raises:
      InputError: if the folder is no run's or holds no checkpoint, or no longer the recorded one.
    """
    shared = workdir.parent if workdir.name.startswith(PART) else workdir
    shared.mkdir(parents=True, exist_ok=True)
    with files.claimed(shared / f"{SOURCE}.lock"):
        return _read_source(config, shared)


def _read_source(config: RunConfig, workdir: Path) -> Restored:
    folder = Path(config.init_from).expanduser()
    path = workdir / SOURCE
    known = results.read_json(path) if path.exists() else {}
    if known.get("run") != str(folder):
        other = restore.restore(folder)
        try:
            write_json(path, {"run": str(folder), **_place(other)})
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror}); make room.") from error
        return other
    try:
        other = restore.restore(folder, number=known.get("checkpoint"))
        if _place(other).items() <= known.items():
            return other
        cause: InputError | None = None
    except InputError as error:
        cause = error
    raise InputError(
        f"config.init_from={folder}: its checkpoint {known.get('checkpoint')}, with which {workdir} has "
        f"begun, is {'gone or damaged' if cause else 'another one now'}; put it back, or choose another "
        "--workdir."
    ) from cause


def _place(other: Restored) -> dict[str, Any]:
    return {"checkpoint": other.number, **{name: other.notes[name] for name in ("updates", "env_steps")}}


def initialize(
    config: RunConfig, built: Experiment, state: loop.RunState, other: Restored
) -> tuple[loop.RunState, str]:
    """`state` with what a checkpoint of `config.init_from` gives it, and what that was, in words.

    The seed i takes the weights of the other run's seed i, and begins again with its first one where it has
    fewer seeds. Replay buffers, counts and random numbers are those of the new run.

    Args:
      config: of the new run.
      built: what the configuration describes.
      state: before the first iteration.
      other: what `read_source` returns.

    Raises:
      InputError: if the observations or actions of the two tasks differ, or nothing of the other run fits.
    """
    folder = Path(config.init_from).expanduser()
    _check_spec(folder, other.built.task, built.task)
    layout = built.layout
    new = layout.merge(state.agent)
    seeds = np.arange(len(built.seeds)) % len(other.built.seeds)
    old = jax.tree.map(lambda leaf: np.asarray(leaf)[seeds], other.state)
    name = next(iter(phases_of(config).values()))
    try:
        found = transfer(agent_of(config, name, built.networks, {}), new, old, config.init_parts == "policy")
    except ValueError as error:
        differing = _of_networks(other.config, config)
        raise InputError(f"config.init_from={folder}: {error}{differing}.") from error
    notes = other.notes
    counts = f"{notes['updates']} updates and {notes['env_steps']} environment steps"
    parts = f"{', '.join(found.copied)}; initialized: {', '.join(found.initialized) or 'nothing'}"
    begun = state._replace(agent=layout.split(_owned(found.state)))
    return begun, f"weights of {folder} after {counts}: {parts}"


def _of_networks(other: RunConfig, config: RunConfig) -> str:
    """In which fields the networks of two configurations differ, in parentheses; empty where in none."""
    found = [
        f"config.{name} is {there!r} there and {here!r} here"
        for name in ("networks", "readout", "encoder", *SIZES)
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
