"""The folder of one run: whose it is, and what it was made with."""

import contextlib
import hashlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import filelock
import jax
import numpy as np

import rankq_jax
from rankq_jax import registry
from rankq_jax.analysis import results
from rankq_jax.configs import RunConfig, task_of
from rankq_jax.errors import InputError
from rankq_jax.files import PREFIX
from rankq_jax.tasks.from_gymnasium import package_of
from rankq_jax.training import devices
from rankq_jax.types import Transition
from rankq_jax.writers import flattened, plain, write_json

PACKAGES = (
    "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "chex", "distrax", "minari",
    "gymnasium", "gymnasium-robotics", "mujoco", "ml-collections", "numpy",
)  # fmt: skip

PART = "process-"  # begins the name of the folder of one process's seeds; see `shared`
# May lie in a folder that nobody has claimed yet: what claiming it leaves, and what belongs to launchers.
SOURCE = "init_from.json"  # which checkpoint of another run this one has begun with
OWN = ("lock", "owner.json", SOURCE, f"{SOURCE}.lock")
OTHERS = (PART, "job.", PREFIX)
PATIENCE = 2.0  # seconds for a folder that somebody looks at, or is about to leave

# Parts of the library that no number of a run depends on.
APART = ("analysis", "cli", "configs", "launch", "testing")


def shared(folder: Path) -> Path:
    """The folder that processes with seeds of their own share: the workdir, or the one above theirs."""
    return folder.parent if folder.name.startswith(PART) else folder


def versions() -> dict[str, str]:
    """Installed versions of what a result depends on."""
    found = {"python": sys.version.split()[0]}
    found["rankq-jax"] = rankq_jax.__version__  # of this code, whatever was installed once
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def git_commit() -> str:
    """The commit of the source tree, with `-dirty` if it has changes; `unknown` outside a checkout.

    A package that is installed below somebody else's repository has no commit of its own.
    """
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists() or not (folder / "pyproject.toml").exists():
        return "unknown"
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _imported(task: str) -> Iterator[tuple[str, Path]]:
    """The source files of packages that `--import` and the task name, each with the name of its module."""
    for name in filter(None, [*registry.imports(), package_of(task)]):
        file = Path(sys.modules[name].__file__ or "")
        files = sorted(file.parent.rglob("*.py")) if file.name == "__init__.py" else [file]
        yield from ((f"{name}/{path.relative_to(file.parent).as_posix()}", path) for path in files)


def source(task: str = "") -> str:
    """A digest of the code that a run's results depend on: not of tables and pages, not of configurations.

    The packages that it has imported are part of it, and the one that `gym:PACKAGE:ENV-v0` names.
    """
    root = Path(__file__).resolve().parents[1]
    library = [path for path in root.rglob("*") if path.suffix in (".py", ".xml")]
    files = [path for path in library if path.relative_to(root).parts[0] not in APART]
    found = hashlib.sha256()
    for path in sorted(files):
        found.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    for name, path in _imported(task):
        found.update(name.encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:12]


def fingerprint(dataset: Transition) -> str:
    """A digest of the transitions as they are learned from."""
    found = hashlib.blake2b(digest_size=6)
    for leaf in jax.tree.leaves(dataset):
        found.update(np.ascontiguousarray(leaf).data)
    return found.hexdigest()


def description(config: RunConfig) -> dict[str, Any]:
    """What `config.json` says about a run, apart from its dataset."""
    return {
        "config": config.to_dict(),
        "exact_resume": task_of(config).exact,
        "imports": registry.imports(),
        "versions": versions(),
        "git_commit": git_commit(),
        "source": source(config.task),
        "settings": devices.settings(),
    }


def _pairs(value: Any) -> dict[str, Any]:
    return flattened(plain(value)) if isinstance(value, dict) else {"": value}


def flat(config: RunConfig) -> dict[str, Any]:
    """The fields of a configuration by their names with dots, as JSON has them."""
    return flattened(plain(config.to_dict()))


def changed(old: RunConfig, new: RunConfig) -> list[str]:
    """Names of the fields that two configurations have in common, that differ, and that results depend on."""
    before, after = flat(old), flat(new)
    common = sorted(before.keys() & after.keys() - set(results.FREE))
    return [field for field in common if before[field] != after[field]]


def _differences(
    theirs: dict[str, Any], mine: dict[str, Any], refused: Mapping[str, str]
) -> tuple[list[str], bool]:
    """What differs of the sections that `mine` has, in words, and whether anything of it is refused."""
    found, hopeless = [], False
    for section in ("config", "versions", "source", "settings", "dataset"):
        if section not in mine or (section == "settings" and section not in theirs):
            continue  # an older run has not recorded its settings
        ours, others = _pairs(mine[section]), _pairs(theirs.get(section, {}))
        for key in sorted(ours | others):
            if ours.get(key) != others.get(key) and not (section == "config" and key in results.FREE):
                name = f"field {key!r}" if section == "config" else f"{section} {key}".strip()
                why = f" ({refused[key]})" if key in refused else ""
                hopeless = hopeless or bool(why)
                found.append(f"{name} is {others.get(key)!r} there and {ours.get(key)!r} here{why}")
    return found, hopeless


def compare(
    folder: Path, mine: dict[str, Any], accept: bool, refused: Mapping[str, str] | None = None
) -> list[str]:
    """What differs between this run and the one that the folder belongs to; nothing is written.

    Args:
      folder: of a run.
      mine: as `description`; sections that it leaves out are not compared.
      accept: that it may differ.
      refused: fields of the configuration and settings that may not all the same, with the reasons.

    Raises:
      InputError: if it does and may not; names everything that does.
    """
    found, hopeless = _differences(results.about(folder), mine, refused or {})
    if hopeless or (found and not accept):
        advice = "" if hopeless else ", or go on all the same with --accept_changes"
        raise InputError(f"{folder / 'config.json'}: {'; '.join(found)}; choose another --workdir{advice}.")
    return found


def belongs(
    folder: Path,
    config: RunConfig,
    accept: bool = False,
    refused: Mapping[str, str] | None = None,
) -> bool:
    """Whether the folder is this configuration's already; nothing is written.

    Raises:
      InputError: if it belongs to another configuration (names the fields) or holds other files.
    """
    # Looked at first: another process may claim the folder meanwhile, or have begun its part in it.
    entries = [entry.name for entry in folder.iterdir()] if folder.exists() else []
    if not (folder / "config.json").exists():
        if any(name not in OWN and not name.startswith(OTHERS) for name in entries):
            raise InputError(f"{folder}: holds files of something else; choose another --workdir.")
        return False
    compare(folder, {"config": config.to_dict()}, accept, refused)
    return True


def claim(folder: Path, about: dict[str, Any]) -> None:
    """Makes a folder this run's own; what it was until now is kept under `earlier`, without its summary.

    Raises:
      InputError: if it cannot be written to.
    """
    path = folder / "config.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.exists():
            (folder / "summary.json").unlink(missing_ok=True)  # first: it would speak of another run
            before = results.about(folder)
            about = {**about, "earlier": [*before.pop("earlier", []), before]}
        write_json(path, about)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written to ({error.strerror}).") from error


def _named(owner: Path) -> str:
    try:
        other = results.read_json(owner)
    except InputError:  # it has not written yet who it is
        return "another process"
    return f"process {other['process']} on {other['host']}"


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Inside, no other process works in the folder, on this machine or on another that shares the disk.

    The system gives the folder free when the process ends, in whatever way.

    Raises:
      InputError: if somebody else does (names the host and the process), or it cannot be written to.
    """
    lock, owner = filelock.FileLock(folder / "lock"), folder / "owner.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=PATIENCE)
        write_json(owner, {"host": socket.gethostname(), "process": os.getpid()})
    except filelock.Timeout as error:
        raise InputError(
            f"{folder}: {_named(owner)} works in it; wait until it has ended, or choose another --workdir."
        ) from error
    except OSError as error:
        raise InputError(f"{folder}: cannot be written to ({error.strerror}).") from error
    try:
        yield
    finally:
        lock.release()
