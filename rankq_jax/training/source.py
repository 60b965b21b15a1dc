"""What `config.init_from` names: the checkpoint of a run, or a file of weights, the same one every time."""

from pathlib import Path
from typing import Any

from rankq_jax import files
from rankq_jax.analysis import results
from rankq_jax.configs import RunConfig
from rankq_jax.errors import InputError
from rankq_jax.trained_policies import Weights, load_weights, located
from rankq_jax.trained_policies.pretrained import PREFIX
from rankq_jax.training import encoding, restore, weights
from rankq_jax.training.restore import Restored
from rankq_jax.training.workdir import SOURCE, shared
from rankq_jax.writers import write_json


def is_file(config: RunConfig) -> bool:
    """Whether `config.init_from` names a file of weights, not a run."""
    name = config.init_from
    return name.startswith(PREFIX) or name.endswith(".npz") or Path(name).expanduser().is_file()


def read_source(config: RunConfig, workdir: Path) -> Restored | Weights:
    """The checkpoint of `config.init_from` that a run begins with: at first the newest, later the same again.

    The run may be killed before its first checkpoint, and the other run may go on meanwhile. So the number of
    the checkpoint is recorded in `workdir`, or in the folder that processes with seeds of their own share. Of
    a file of weights its SHA-256 is.

    Raises:
      InputError: if the folder is no run's or holds no checkpoint, or no longer the recorded one; if the file
        cannot be read or is no longer the recorded one.
    """
    folder = shared(workdir)
    folder.mkdir(parents=True, exist_ok=True)
    with files.claimed(folder / f"{SOURCE}.lock"):
        return _read(config, folder)


def recorded_source(config: RunConfig, workdir: Path) -> Restored | Weights:
    """What a run has begun with, for those who only look at it: nothing is written.

    Raises:
      InputError: as `read_source`; if the run does not say what it has begun with.
    """
    path = shared(workdir) / SOURCE
    known = results.read_json(path) if path.exists() else {}
    if known.get("run") != _name(config):
        raise InputError(f"{path}: does not name config.init_from={config.init_from}; train the run first.")
    return _read(config, shared(workdir))


def _name(config: RunConfig) -> str:
    return config.init_from if is_file(config) else str(Path(config.init_from).expanduser())


def _read(config: RunConfig, shared: Path) -> Restored | Weights:
    if is_file(config):
        return _read_file(config, shared)
    found, folder = _read_run(config, shared), Path(config.init_from).expanduser()
    return found if same_eyes(config, restore.recorded(folder)) else weights.parameters_of(found, folder)


def same_eyes(config: RunConfig, theirs: RunConfig) -> bool:
    """Whether both runs see features, or neither does; else they have only policies in common."""
    return encoding.is_cached(config) == encoding.is_cached(theirs)


def _read_file(config: RunConfig, workdir: Path) -> Weights:
    name, path = _name(config), workdir / SOURCE
    found = load_weights(located(name))
    known = results.read_json(path) if path.exists() else {}
    if known.get("run") != name:
        counts = {field: found.provenance.get(field) for field in ("seed", "updates", "env_steps", "commit")}
        _record(path, {"run": name, "sha256": found.digest, "task": found.task, **counts})
    elif known.get("sha256") != found.digest:
        raise InputError(
            f"config.init_from={name}: its SHA-256 is {found.digest[:12]}..., and {workdir} has begun with "
            f"{str(known.get('sha256'))[:12]}...; put that file back, or choose another --workdir."
        )
    return found


def _record(path: Path, about: dict[str, Any]) -> None:
    try:
        write_json(path, about)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); make room.") from error


def _read_run(config: RunConfig, workdir: Path) -> Restored:
    folder = Path(config.init_from).expanduser()
    path = workdir / SOURCE
    known = results.read_json(path) if path.exists() else {}
    if known.get("run") != _name(config):
        other = restore.restore(folder)
        _record(path, {"run": _name(config), **_place(other)})
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
