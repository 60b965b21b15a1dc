"""What other packages add by name: agents, tasks, networks, dataset formats, configurations.

A package calls these functions when it is imported. It is imported by name (`--import=my_package`,
`load_plugins(["my_package"])`), or because it declares an entry point of the group `rankq_jax.plugins`:

    [project.entry-points."rankq_jax.plugins"]
    my_package = "my_package"
"""

import functools
import importlib
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from rankq_jax.agents import AGENTS, AgentSpec, agent, register_agent
from rankq_jax.configs.arms import CONFIGS
from rankq_jax.data.sources import REGISTERED as FORMATS
from rankq_jax.errors import InputError, NameTaken, add_name
from rankq_jax.networks import FAMILIES, preset, register_networks
from rankq_jax.tasks import TASKS, Task
from rankq_jax.types import Episodes

__all__ = [
    "AGENTS", "CONFIGS", "FAMILIES", "FORMATS", "GROUP", "TASKS", "AgentSpec", "agent", "imports",
    "load_plugins", "preset", "register_agent", "register_config", "register_dataset_format",
    "register_networks", "register_task",
]  # fmt: skip

GROUP = "rankq_jax.plugins"
_imports: list[str] = []


def register_task(task: Task) -> Task:
    """Adds a task to `TASKS`.

    Raises:
      ValueError: if the name belongs to another task.
    """
    return add_name(TASKS, "task", task.name, task)


def register_dataset_format(suffix: str, read: Callable[[Path], Episodes] | None = None) -> Any:
    """Adds a format of dataset files, by the suffix of their names; a decorator where `read` is left out.

    Args:
      suffix: with its dot, e.g. `.parquet`.
      read: `path -> Episodes` as they were recorded. It raises an InputError that names the file.

    Raises:
      ValueError: if the suffix belongs to another format.
    """
    if read is None:
        return functools.partial(register_dataset_format, suffix)
    return add_name(FORMATS, "dataset format", suffix, read)


def register_config(name: str, get_config: Callable[..., Any] | None = None) -> Any:
    """Adds a configuration, `--config=NAME:TASK`; a decorator where `get_config` is left out.

    Args:
      name: of the configuration.
      get_config: `"TASK,WORD,..." -> configuration`, as in the files of `rankq_jax/configs`.

    Raises:
      ValueError: if the name belongs to another configuration.
    """
    if get_config is None:
        return functools.partial(register_config, name)
    return add_name(CONFIGS, "configuration", name, get_config)


def imports() -> list[str]:
    """The modules that `load_plugins` has imported by name, in that order; a run records them."""
    return list(_imports)


def load_plugins(modules: Sequence[str] = ()) -> list[str]:
    """Imports packages, which register what they have. Importing one again does nothing.

    Args:
      modules: by name; the installed packages with an entry point of `GROUP` are imported before them.

    Returns:
      `imports()`.

    Raises:
      InputError: if there is no module of a name, or a name that it registers belongs to something else.
        Other errors of a module keep their type.
    """
    for entry in metadata.entry_points(group=GROUP):
        _load(entry.value.partition(":")[0])
    for name in modules:
        _load(name)
        if name not in _imports:
            _imports.append(name)
    return imports()


def _load(name: str) -> None:
    if not all(part.isidentifier() for part in name.split(".")) or name.endswith(".py"):
        raise InputError(f"module {name!r}: is no name of a module; write {Path(name).stem} for {name}.")
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # the module is there, and lacks another one
        raise InputError(
            f"module {name!r}: cannot be imported; install it, or add its folder to PYTHONPATH."
        ) from error
    except NameTaken as error:
        raise InputError(f"module {name!r}: {error}.") from error
