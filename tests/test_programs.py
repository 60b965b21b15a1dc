"""How many operations an update takes in the layout of an accelerator: budgets, counted without one."""

import pytest

from benchmarks import programs

# What is counted with jax 0.10.2, and a little room for other versions of its compiler.
BUDGETS = {"sac": 217, "rankq": 277, "iql": 233, "td3_bc": 204, "cql": 280, "cal_ql": 286}
ROOM = 1.05

LOOPS = """
HloModule jit_run

%body.1 (arg: (s32[], f32[2])) -> (s32[], f32[2]) {
  %arg = (s32[], f32[2]{0}) parameter(0)
  %x = f32[2]{0} get-tuple-element(%arg), index=1
  %f = f32[2]{0} fusion(%x), kind=kLoop, calls=%fused
  %c = (f32[2]{0}, s32[]) call(%f), to_apply=%called
  %w = (s32[], f32[2]{0}) while(%arg), condition=%other, body=%inner
  ROOT %t = (s32[], f32[2]{0}) tuple(%f, %x)
}

%called (a: f32[2]) -> (f32[2], s32[]) {
  %a = f32[2]{0} parameter(0)
  ROOT %d = f32[2]{0} dot(%a, %a)
}

%inner (b: f32[2]) -> f32[2] {
  ROOT %e = f32[2]{0} add(%b, %b)
}

ENTRY %main (p: f32[2]) -> f32[2] {
  %p = f32[2]{0} parameter(0)
  ROOT %l = (s32[], f32[2]{0}) while(%p), body=%body.1, backend_config={"known_trip_count":{"n":"50"}}
}
"""


def test_what_is_counted():
    assert programs.counted(LOOPS) == {"fusion": 1, "dot": 1, "while": 1}
    with pytest.raises(ValueError, match="0 loops of 3 turns"):
        programs.counted(LOOPS, 3)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "rankq" else pytest.mark.slow) for name in BUDGETS]
)
def test_an_update_stays_within_its_budget(name):
    found = programs.counted(programs.compiled(name, "before"))
    assert sum(found.values()) <= ROOM * BUDGETS[name]
    assert "while" not in found  # nothing is drawn in a loop


@pytest.mark.slow
def test_drawing_before_saves_a_third():
    within = programs.counted(programs.compiled("rankq", "within"))
    assert within["while"] > 10 and BUDGETS["rankq"] <= 0.65 * sum(within.values())
