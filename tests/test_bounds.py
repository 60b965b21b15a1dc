"""Bounds of arguments: what a call in Python refuses, and that it means what a configuration means."""

import math
import re
from typing import Annotated

import jax
import numpy as np
import pytest

from rankq_jax import configs
from rankq_jax.action_sets import perturbed
from rankq_jax.agents import AGENTS, rlpd
from rankq_jax.bounds import Count, Interval, OneOf, Rate, Switch, Widths, arguments, bound_of, checked
from rankq_jax.data import mixture
from rankq_jax.lifting import normalize_observations, scan_updates
from rankq_jax.networks import FAMILIES, VLA_PRESETS, gaussian
from tests.conftest import make_batch, make_parts
from tests.fuzz.field_values import SECTIONS


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        (Annotated[float, Interval(0.0, above=True)], -1.0, "x=-1.0 must be greater than 0"),
        (Annotated[float, Interval(0.0, above=True)], 0, "x=0 must be greater than 0"),
        (Annotated[float, Interval(0.0)], math.inf, "x=inf must be finite"),
        (Annotated[float, Interval()], math.nan, "x=nan must be a finite number"),
        (Rate, 1.5, "x=1.5 must be in (0, 1]"),
        (Rate, True, "x=True must be a number"),
        (Rate, "1", "x=1 must be a number"),
        (Rate, None, "x=None must be a number"),
        (Count, 0, "x=0 must be at least 1"),
        (Count, 2.0, "x=2.0 must be a whole number"),
        (Count, 10**400, "x=(a number of 1329 bits) must be at most 2147483647"),
        (Switch, 1, "x=1 must be True or False"),
        (Widths, (64, 0), "x=(64, 0) has 0, which must be at least 1"),
        (Widths, (64, math.inf), "x=(64, inf) has inf, which must be a whole number"),
        (Widths, 64, "x=64 must be a tuple"),
        (
            Annotated[str, OneOf(("before", "after"))],
            "befor",
            "unknown value 'befor'. Did you mean 'before'?",
        ),
    ],
)
def test_a_refusal_names_argument_value_and_bound_in_one_line(kind, value, words):
    @checked()
    def function(x: kind):
        return x

    for call in (lambda: function(value), lambda: function(x=value)):
        with pytest.raises(ValueError, match=re.escape(words)) as error:
            call()
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Rate, (1, 0.5, np.float32(0.5), np.float64(1.0), np.int64(1), np.array(0.5))),
        (Count, (1, np.int32(7), np.uint8(3), 2**31 - 1)),
        (Switch, (True, False, np.bool_(True))),
        (Widths, ((), (1,), [2, 3], (np.int64(4),))),
    ],
)
def test_what_is_inside_passes_unchanged(kind, values):
    @checked()
    def function(x: kind):
        return x

    for value in values:
        assert function(value) is value


def test_an_argument_that_is_passed_on_is_known_by_its_name():
    with pytest.raises(TypeError, match=r"rankq takes no argument 'sigmma'. Did you mean 'sigma'\?"):
        AGENTS["rankq"].make(*make_parts(), sigmma=0.3)
    with pytest.raises(
        TypeError, match=r"rankq takes no argument 'target_rat'. Did you mean 'target_rate'\?"
    ):
        AGENTS["rankq"].make(*make_parts(), target_rat=0.3)
    with pytest.raises(TypeError, match="cal_ql takes no argument 'calibrated'"):
        AGENTS["cal_ql"].make(*make_parts(), calibrated=False)


@pytest.mark.parametrize("name", sorted(AGENTS))
def test_agents_refuse_what_makes_no_sense_and_take_what_does(name):
    parts = make_parts(family=AGENTS[name].networks if name != "bc" else "iql")  # whose policy has a density
    taken = {
        argument: it.default for argument, it in arguments(AGENTS[name].make).items() if it.bound is not None
    }
    assert set(taken) == set(SECTIONS[name])  # by hand, in the file of the fuzzing
    tried = [math.nan, math.inf, -math.inf, -1, 0, 10**9, 1e9, 0.5, None, "many", True, (1,)]
    for argument, values in SECTIONS[name].items():
        for value in (*tried, *values.edges, *values.inside):
            if values.fits(value):
                continue
            with pytest.raises(ValueError, match=f"^{argument}=") as error:
                AGENTS[name].make(*parts, **{argument: value})
            assert "must be" in str(error.value) and "\n" not in str(error.value)
        for value in values.inside:
            AGENTS[name].make(*parts, **{argument: value})


def test_python_and_configurations_have_the_same_arguments_and_defaults():
    sections = configs.RunConfig().sections
    for name, agent in AGENTS.items():
        own = {argument: it.default for argument, it in arguments(agent.make).items() if it.bound is not None}
        assert dict(sections[name]) == own, name
        assert all(type(sections[name][argument]) is type(default) for argument, default in own.items())
    # Those of the Cal-QL code on AntMaze, by hand.
    for name in ("cql", "cal_ql"):
        known = {argument: it.default for argument, it in arguments(AGENTS[name].make).items()}
        assert (known["lagrange"], known["lagrange_threshold"], known["weight"]) == (True, 0.8, 5.0)


@pytest.mark.parametrize("name", ["cql", "cal_ql"])
def test_a_conservative_agent_has_its_multiplier_by_default(name):
    batch, key = jax.tree.map(jax.numpy.asarray, make_batch()), jax.random.key(0)
    agent = AGENTS[name].make(*make_parts())
    state, metrics = agent.update(agent.init(key, batch), batch, key)
    assert "dual/cql_weight" in metrics and state.duals["cql_weight"].params != 1.0


def test_a_subset_of_more_members_than_there_are_is_refused():
    batch, key = jax.tree.map(jax.numpy.asarray, make_batch()), jax.random.key(0)
    agent = rlpd(*make_parts(family="rlpd"), subset=7, critic_updates=2)
    state = agent.init(key, batch)
    with pytest.raises(ValueError, match="subset=7 must be at most the 2 members of the critic"):
        agent.update(state, batch, key)


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - set(VLA_PRESETS)))
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("actor_hidden", (8, 0)), ("actor_hidden", (math.inf,)), ("critic_hidden", (2.5,)), ("critics", 0),
        ("critics", 10**9), ("critic_layer_norm", "befor"), ("actor_dropout", 1.0), ("action_size", 0),
    ],
)  # fmt: skip
def test_families_of_networks_refuse_sizes_by_name(family, field, value):
    sizes = {"actor_hidden": (8,), "critic_hidden": (8,), "action_size": 2} | {field: value}
    with pytest.raises(ValueError, match=field):
        FAMILIES[family](sizes.pop("action_size"), **sizes)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: perturbed(0.0), "sigma=0.0 must be in (0, 10]"),
        (lambda: mixture.uniform(0), "batch_size=0 must be at least 1"),
        (lambda: scan_updates(AGENTS["sac"].make(*make_parts()), 0), "updates=0 must be at least 1"),
        (lambda: normalize_observations(AGENTS["sac"].make(*make_parts()), 0.0), "epsilon=0.0 must be"),
        (lambda: gaussian((8,), 2, dropout=1.0), "dropout=1.0 must be in [0, 1)"),
    ],
)
def test_the_parts_that_users_give_numbers_to_refuse_them(call, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        call()


def test_an_annotation_without_a_bound_is_none():
    assert bound_of(float) is None and bound_of(Rate) is not None
