"""A configuration from nested values, as a file of a run has them."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from rankq_jax.configs.run_config import PARTS, SHARED, RunConfig


def from_dict(values: Mapping[str, Any]) -> RunConfig:
    """The configuration of nested values as `to_dict` gives them, also as JSON has them; nothing is checked.

    Sections are what is neither a field nor a group of fields.
    """
    own = {entry.name for entry in dataclasses.fields(RunConfig)} - {"sections"}
    shared: dict[str, Any] = {name: _settled(name, value) for name, value in values.items() if name in own}
    for name, part in PARTS.items():
        if name in shared:
            inner = {key: _settled(f"{name}.{key}", value) for key, value in shared[name].items()}
            shared[name] = part(**inner)
    sections = {
        name: MappingProxyType({key: _settled(f"{name}.{key}", value) for key, value in section.items()})
        for name, section in values.items()
        if name not in own
    }
    return RunConfig(**shared, sections=MappingProxyType(sections))


def _settled(name: str, value: Any) -> Any:
    """`value` as a field holds it: nothing mutable, and a float where the field has floats."""
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, Mapping) and name not in PARTS:
        return MappingProxyType(dict(value))
    known = SHARED.get(name)
    whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if whole and known and isinstance(known.default, float) else value
