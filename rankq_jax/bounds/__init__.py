"""Bounds of values: sets of values as data, and functions that refuse arguments that lie outside them."""

from rankq_jax.bounds.arguments import Argument, arguments, checked, described
from rankq_jax.bounds.texts import read
from rankq_jax.bounds.values import (
    Bound,
    Count,
    Dropout,
    Either,
    Finite,
    Flag,
    Interval,
    Many,
    Members,
    Noise,
    NonNegative,
    OneOf,
    OpenUnitInterval,
    Optional,
    Positive,
    Rate,
    Samples,
    Switch,
    Temperature,
    Text,
    UnitInterval,
    Whole,
    Widths,
    bound_of,
    refuse,
    refuse_fields,
    refuse_type,
    told,
)

__all__ = [
    "Argument", "Bound", "Count", "Dropout", "Either", "Finite", "Flag", "Interval", "Many", "Members",
    "Noise", "NonNegative", "OneOf", "OpenUnitInterval", "Optional", "Positive", "Rate", "Samples", "Switch",
    "Temperature", "Text", "UnitInterval", "Whole", "Widths", "arguments", "bound_of", "checked", "described",
    "read", "refuse", "refuse_fields", "refuse_type", "told",
]  # fmt: skip
