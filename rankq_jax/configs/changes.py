"""Arguments of an algorithm that are given anew where its policy acts."""

from collections.abc import Mapping, Sequence
from typing import Any

from rankq_jax import bounds
from rankq_jax.agents import AGENTS
from rankq_jax.configs import checks
from rankq_jax.configs.fields import nested
from rankq_jax.configs.names import unknown
from rankq_jax.configs.nested import from_dict
from rankq_jax.configs.run_config import ARGUMENTS, RunConfig
from rankq_jax.errors import InputError


def assigned(word: str) -> tuple[str, str]:
    """Field and text of the word `--config.FIELD=TEXT`.

    Raises:
      InputError: if it is none.
    """
    key, equals, text = word.lstrip("-").partition("=")
    if not key.startswith("config."):
        raise InputError(f"{word}: is no word of a configuration; write --config.FIELD=VALUE.")
    if not equals:
        raise InputError(f"--{key}: has no value; write --{key}=VALUE.")
    return key.removeprefix("config."), text


def arguments_in(words: Sequence[str]) -> dict[str, str]:
    """`{field: text}` of the words `--config.ALGORITHM.ARGUMENT=TEXT`.

    Raises:
      InputError: if a word is none, or its field is no argument of an algorithm.
    """
    given = dict(map(assigned, words))
    for field in given:
        if not (field.partition(".")[0] in AGENTS or field.startswith(ARGUMENTS)):
            raise InputError(
                f"config.{field}: evaluation reads the configuration from the workdir or from the weights; "
                "only arguments of the algorithm that acts can differ, such as config.flow_bc.steps; leave "
                "it out."
            )
    return given


def values_of(config: RunConfig, given: Mapping[str, str]) -> dict[str, Any]:
    """The values of fields of a configuration from their texts.

    Raises:
      InputError: if there is no such field, or the value is out of its bounds.
    """
    known = checks.fields_of(config)
    unknown([field for field in given if field not in known], known, config)
    found = {field: bounds.read(text, known[field].bound) for field, text in given.items()}
    for field, value in found.items():
        checks.refuse(field, value, known[field])
    return found


def changed(config: RunConfig, values: Mapping[str, Any]) -> RunConfig:
    """`config` with other values of some of its fields; nothing is checked."""
    return from_dict(nested({"online.arguments": {}, **config.flat(), **values}))
