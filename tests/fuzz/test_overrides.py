"""A fast part of the fuzzing of overrides, and that no field escapes it."""

import importlib
import math

import pytest

from rankq_jax.training import bounds
from tests.fuzz import overrides as fuzzing
from tests.fuzz.field_values import FIELDS


# Of ml_collections, where it reads a file.
@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")
def test_draws_are_refused_in_a_line_or_make_sense():
    counts, faults, _ = fuzzing.fuzz(80, seed=1)
    assert faults == []
    assert counts["refused"] > 20 and counts["accepted"] > 8, counts


@pytest.mark.parametrize("name", fuzzing.FILES)
def test_every_field_has_values_by_hand_and_a_bound(name):
    config = importlib.import_module(f"rankq_jax.configs.{name}").get_config("pointmaze-umaze")
    for field, value in bounds.leaves(config):
        assert field in FIELDS, field
        assert bounds.bound(config, field) is not None, field
        if field != "task":
            assert FIELDS[field].fits(value), (field, value)


def test_no_bound_lets_through_what_makes_no_sense():
    config = importlib.import_module("rankq_jax.configs.rebrac").get_config("pointmaze-umaze")
    numbers = [math.nan, math.inf, -math.inf, -(10**30), 10**30, -1, 0, -0.5, 2.5]
    tried = [*numbers, None, True, "many", (1,), (), {}]
    for field, values in FIELDS.items():
        allowed = bounds.bound(config, field)
        for value in (*tried, *values.edges, *values.inside):
            refused = bool(allowed.refusal(value))
            assert refused or values.fits(value), (field, value)
        assert not any(allowed.refusal(value) for value in values.inside), field
