"""The door through which configurations come in: words of a command line, files of users, plain values.

Only here configurations are `ConfigDict`s, which can be changed and whose values can refer to others.
"""

import contextlib
import functools
import importlib
import operator
import runpy
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import ml_collections

from rankq_jax import bounds
from rankq_jax.agents import AGENTS
from rankq_jax.configs import checks, layers
from rankq_jax.configs.arms import ARMS, CONFIGS, DEFAULT_TASK, Product
from rankq_jax.configs.changes import assigned
from rankq_jax.configs.domains.values import Layer
from rankq_jax.configs.fields import nested
from rankq_jax.configs.names import unknown
from rankq_jax.configs.nested import from_dict
from rankq_jax.configs.run_config import ARGUMENTS, PARTS, SHARED, RunConfig
from rankq_jax.errors import PLUGINS, InputError, suggestion
from rankq_jax.writers import flattened

FOLDER = "experiments/configs/"  # where the files of arms once lay; still accepted before their names


class Resolved(NamedTuple):
    """A configuration and where its values come from.

    Attributes:
      config: of the run.
      given: the fields that the command line gives.
      sources: `{field: layer that its value comes from}`.
    """

    config: RunConfig
    given: tuple[str, ...]
    sources: Mapping[str, Layer]


def get_config(argument: str = DEFAULT_TASK, algorithm: str = "sac") -> ml_collections.ConfigDict:
    """The values of an algorithm on a task, to be changed in a file of one's own.

    Args:
      argument: what follows the colon of `--config=NAME:TASK,WORD,...`.
      algorithm: its name in `rankq_jax.agents.AGENTS`.

    Raises:
      InputError: if `argument` names an unknown task or word, or there is no such algorithm.
    """
    checks.refuse("algorithm", algorithm, SHARED["algorithm"])
    return draft(layers.layers_of(argument, algorithm))


def arm(name: str, argument: str = "") -> ml_collections.ConfigDict:
    """The values of a row of `arms.ARMS` on a task, or of an algorithm that has no row.

    Raises:
      InputError: as `get_config`.
    """
    if name not in ARMS and name not in AGENTS:
        hint = suggestion(name, {**ARMS, **AGENTS})
        raise InputError(f"unknown arm {name!r}.{hint}{PLUGINS.format('agent')}")
    return draft(layers.layers_of(argument, arm=name))


def draft(found: Sequence[Layer]) -> ml_collections.ConfigDict:
    """The values of layers; products follow when their factors are changed."""
    values = layers.merged(found)
    plain = {name: value for name, value in values.items() if not isinstance(value, Product)}
    config = ml_collections.ConfigDict(
        {"online": {"arguments": {}}} | nested({"online.arguments": {}, **plain})
    )
    for name, value in values.items():
        if isinstance(value, Product):
            factors = [_part(config, factor).get_oneway_ref(_last(factor)) for factor in value.factors]
            _part(config, name)[_last(name)] = functools.reduce(operator.mul, factors)
    return config


def _part(config: ml_collections.ConfigDict, name: str) -> ml_collections.ConfigDict:
    """What holds the field of a name with dots."""
    return functools.reduce(operator.getitem, name.split(".")[:-1], config)


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def parse(values: Mapping[str, Any] | ml_collections.ConfigDict) -> RunConfig:
    """The configuration of values that have the names of `RunConfig.to_dict`; those left out have defaults.

    Raises:
      InputError: if a field does not exist, or a value is out of its bounds.
    """
    config = recorded(values)
    checks.check(config)
    return config


def recorded(values: Mapping[str, Any] | ml_collections.ConfigDict) -> RunConfig:
    """As `parse`; of the values only those of the task and the algorithm are checked."""
    if isinstance(values, ml_collections.ConfigDict):
        values = values.copy_and_resolve_references().to_dict()
    task, algorithm = values.get("task", DEFAULT_TASK), values.get("algorithm", "sac")
    for name, value in (("task", task), ("algorithm", algorithm)):
        checks.refuse(name, value, SHARED[name])
    defaults = layers.merged(layers.defaults(layers.tasks.find(task), algorithm))
    flat = {**defaults, **flattened(values)}
    stray = [name for name in flat if name not in SHARED and _shared(name)]
    config = from_dict(nested({name: value for name, value in flat.items() if name not in stray}))
    unknown(stray, checks.fields_of(config), config)
    return config


def _shared(name: str) -> bool:
    """Whether a name is one of a field that all algorithms have, existing or not."""
    section, dot, _ = name.partition(".")
    return not dot or (section in PARTS and not name.startswith(ARGUMENTS))


def read(words: Sequence[str], whole: bool = True) -> Resolved:
    """The configuration of the words `--config=NAME:TASK[,WORD...]` and `--config.KEY=VALUE`.

    Args:
      words: in any order; of several with one name the last is taken.
      whole: whether they are all that there is; else only names and types are checked.

    Raises:
      InputError: one line that names the word, the field or the value, and what to do.
    """
    name, given = _split(words)
    config, found, file = _loaded(name)
    with _naming(file):
        start = recorded(config)
    known = checks.fields_of(start)
    unknown([field for field in given if field not in known], known, start)
    for field, text in given.items():
        value = bounds.read(text, known[field].bound)
        checks.refuse(field, value, known[field])
        part = _part(config, field)
        with part.unlocked(), part.ignore_type():  # a file may have a value of another type there
            part[_last(field)] = value
    changed = recorded(config)
    if whole:
        with _naming(file if file and not _fits(start) else ""):
            checks.check_given(changed, given, start.flat())
    sources = layers.sources_of(_with_file(found, start, file))
    return Resolved(changed, tuple(given), {**sources, **dict.fromkeys(given, Layer("command line", {}))})


@contextlib.contextmanager
def _naming(file: str) -> Iterator[None]:
    """Inside, errors name the file of a user's own; nothing changes where there is none."""
    try:
        yield
    except InputError as error:
        raise InputError(f"--config={file}: {error}" if file else str(error)) from error


def _fits(config: RunConfig) -> bool:
    try:
        checks.check(config)
    except InputError:
        return False
    return True


def _split(words: Sequence[str]) -> tuple[str, dict[str, str]]:
    """What `--config` names, and the text of each field that is given."""
    name, given = "", {}
    for word in words:
        key, _, text = word.lstrip("-").partition("=")
        if key == "config":
            name = text
        else:
            field, given_text = assigned(word)
            given[field] = given_text
    if not name:
        raise InputError(f"--config: missing; give --config=NAME:TASK, e.g. --config=rankq:{DEFAULT_TASK}.")
    return name, given


def _loaded(text: str) -> tuple[ml_collections.ConfigDict, list[Layer], str]:
    """The values that `NAME:TASK,WORD,...` names, the layers of its arm, and the file of a user's own."""
    file, _, argument = text.partition(":")
    row = file.removeprefix(FOLDER).removesuffix(".py")
    if text in layers.tasks.NAMES:
        raise InputError(f"--config={text}: names a task and no algorithm; write --config=NAME:{text}.")
    if (row in ARMS or row in AGENTS) and not (file.startswith(FOLDER) and Path(file).is_file()):
        found = layers.layers_of(argument, arm=row)
        return draft(found), found, ""
    make = CONFIGS[row] if row in CONFIGS else _maker(file)
    try:
        config = make(argument) if argument else make()
    except Exception as error:
        what = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
        raise InputError(f"--config={file}: {what}{error}") from error
    if not isinstance(config, ml_collections.ConfigDict):
        raise InputError(
            f"--config={file}: get_config returns no ConfigDict; see rankq_jax.configs.get_config."
        )
    name, algorithm = config.get("name", ""), config.get("algorithm", "sac")
    row = name if name in ARMS and ARMS[name].algorithm == algorithm else algorithm
    return config, layers.layers_of(argument or config.get("task", ""), arm=row), file


def _maker(file: str) -> Callable[..., Any]:
    """The function `get_config` of a file or of an importable module."""
    try:
        names = (
            runpy.run_path(file) if file.endswith(".py") else vars(importlib.import_module(file.lstrip(".")))
        )
    except (FileNotFoundError, ModuleNotFoundError) as error:
        hint = suggestion(Path(file).stem, {**ARMS, **AGENTS}) + PLUGINS.format("agent")
        why = f"no configuration of the project, file or module has that name ({error})"
        raise InputError(f"--config={file}: {why}.{hint}") from error
    except Exception as error:
        raise InputError(f"--config={file}: {type(error).__name__}: {error}") from error
    if not callable(make := names.get("get_config")):
        raise InputError(f"--config={file}: has no function get_config(argument); write one.")
    return make


def _with_file(found: Sequence[Layer], start: RunConfig, file: str) -> list[Layer]:
    """The layers, and one of the values that a file of a user's own has set otherwise."""
    before = layers.merged(found)
    own = {
        field: value
        for field, value in start.flat().items()
        if not isinstance(before.get(field), Product) and before.get(field) != value
    }
    return [*found, Layer(f"file {file}", own)] if own else list(found)
