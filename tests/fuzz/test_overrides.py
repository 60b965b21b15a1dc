"""A fast part of the fuzzing of overrides, and that no field escapes it."""

import math

import pytest

from rankq_jax import configs
from rankq_jax.configs import checks
from tests.fuzz import overrides as fuzzing
from tests.fuzz.field_values import FIELDS


def test_draws_are_refused_in_a_line_or_make_sense():
    counts, faults, _ = fuzzing.fuzz(80, seed=1)
    assert faults == []
    assert counts["refused"] > 20 and counts["accepted"] > 8, counts


@pytest.mark.parametrize("name", fuzzing.FILES)
def test_every_field_has_values_by_hand_and_a_bound(name):
    config = configs.arm(name, "pointmaze-umaze")
    parsed = configs.parse(config)
    known = checks.fields_of(parsed)
    for field, value in parsed.flat().items():
        assert field in FIELDS, field
        assert known[field].bound is not None, field
        if field != "task":
            assert FIELDS[field].fits(value), (field, value)


def test_no_bound_lets_through_what_makes_no_sense():
    config = configs.arm("rebrac", "pointmaze-umaze")
    known = checks.fields_of(configs.parse(config))
    numbers = [math.nan, math.inf, -math.inf, -(10**30), 10**30, -1, 0, -0.5, 2.5]
    tried = [*numbers, None, True, "many", (1,), (), {}]
    for field, values in FIELDS.items():
        allowed = known[field].bound
        for value in (*tried, *values.edges, *values.inside):
            refused = bool(allowed.refusal(value))
            assert refused or values.fits(value), (field, value)
        assert not any(allowed.refusal(value) for value in values.inside), field
