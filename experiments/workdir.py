"""The folder of one run: whose it is, and what it was made with."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import ml_collections

from rankq_jax.analysis import results
from rankq_jax.errors import InputError
from rankq_jax.writers import plain, write_json

PACKAGES = (
    "rankq-jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "chex", "distrax", "minari",
    "gymnasium", "gymnasium-robotics", "mujoco", "ml-collections", "numpy",
)  # fmt: skip

PART = "process-"  # begins the name of the folder of one process's seeds


def versions() -> dict[str, str]:
    """Installed versions of what a result depends on."""
    found = {"python": sys.version.split()[0]}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def git_commit() -> str:
    """The commit of the source tree, with `-dirty` if it has changes; `unknown` outside a checkout."""
    folder = Path(__file__).resolve().parent
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value}
    pairs: dict[str, Any] = {}
    for key, inner in value.items():
        pairs.update(_flat(inner, f"{prefix}.{key}" if prefix else key))
    return pairs


def belongs(folder: Path, config: ml_collections.ConfigDict) -> bool:
    """Whether the folder is this configuration's already; nothing is written.

    Raises:
      InputError: if it belongs to another configuration (names the field) or holds other files.
    """
    path = folder / "config.json"
    # Looked at first: another process may claim the folder meanwhile, or have begun its part in it.
    entries = [entry.name for entry in folder.iterdir()] if folder.exists() else []
    if not path.exists():
        if any(name != "config.tmp" and not name.startswith(PART) for name in entries):
            raise InputError(f"{folder}: holds files of something else; choose another --workdir.")
        return False
    mine, theirs = _flat(plain(config.to_dict())), _flat(results.about(folder)["config"])
    differing = sorted(k for k in mine | theirs if mine.get(k) != theirs.get(k))
    if differing:
        first = differing[0]
        more = f" and {len(differing) - 1} more fields" if len(differing) > 1 else ""
        raise InputError(
            f"{path}: field {first!r} is {theirs.get(first)!r} there and {mine.get(first)!r} here"
            f"{more}; choose another --workdir."
        )
    return True


def claim(folder: Path, config: ml_collections.ConfigDict) -> None:
    """Makes a folder this configuration's own.

    Raises:
      InputError: if it cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        about = {"config": config.to_dict(), "versions": versions(), "git_commit": git_commit()}
        write_json(folder / "config.json", about)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written to ({error.strerror}).") from error
