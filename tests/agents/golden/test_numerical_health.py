"""Losses, gradients and states stay finite in the corners, for every registered agent."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rankq_jax.agents import AGENTS
from tests.agents.golden.setting import KEY
from tests.conftest import BATCH, SIZES, make_batch, make_parts

# One row makes one minibatch; the multiplier of CQL is off by default.
ARGUMENTS = {"rlpd": {"critic_updates": 1}, "cql": {"lagrange": True}}
VALUES = ("critic", "target_critic", "value")  # parts of a state that hold values of states or actions


def corner(rows, success):
    """All actions at exactly -1 or 1, those in `extras` too; all rows of one class, or of both."""
    drawn = make_batch(1, rows)
    extras = {name: np.sign(x) if x.ndim > 1 else x for name, x in drawn.extras.items()}
    if success is not None:
        extras["success"] = np.full(rows, success, np.float32)
    return jax.tree.map(jnp.asarray, drawn._replace(action=np.sign(drawn.action), extras=extras))


@functools.cache
def compiled(name, members):
    """`(init, update)` of an agent with the networks of its family."""
    family = AGENTS[name].networks
    arguments = dict(ARGUMENTS.get(name, {}))
    if name == "rlpd":  # which refuses a subset of more members than there are
        arguments["subset"] = min(2, members)
    parts = make_parts(family=family, sizes={**SIZES, "critics": members})
    agent = AGENTS[name].make(*parts, **arguments)
    return jax.jit(agent.init), jax.jit(agent.update)


def assert_finite_after_two_updates(name, members, state, batch):
    """Two, because some policies move on every other update; the moments of the optimizers count too."""
    _, update = compiled(name, members)
    for i in range(2):
        state, metrics = update(state, batch, jax.random.fold_in(KEY, i))
        bad = [metric for metric, value in metrics.items() if not np.isfinite(value)]
        assert not bad, bad
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        assert np.isfinite(leaf).all(), jax.tree_util.keystr(path)
    return metrics


def scaled_output(params, signs):
    """The last layer of every network in `params` a million times as steep, around `1e6 signs`."""
    layers = sorted((key for key in params if key.startswith("Dense_")), key=lambda key: int(key[6:]))
    if not layers:
        return {k: scaled_output(v, signs) if isinstance(v, dict) else v for k, v in params.items()}
    last = params[layers[-1]]
    shift = jnp.asarray(signs[: last["bias"].shape[0]] if last["bias"].ndim > 1 else signs[:1])
    shift = shift.reshape(last["bias"].shape)
    return {**params, layers[-1]: {"kernel": 1e6 * last["kernel"], "bias": last["bias"] + 1e6 * shift}}


def extreme(state, signs):
    """`state` whose critics, and state value if there is one, are about a million or its negative."""
    changed = {}
    for field in set(VALUES) & set(state._fields):
        held = getattr(state, field)
        params = scaled_output(getattr(held, "params", held), signs)
        changed[field] = held._replace(params=params) if hasattr(held, "params") else params
    return state._replace(**changed)


@pytest.mark.parametrize("success", [None, 0.0, 1.0])
@pytest.mark.parametrize("signs", [(1.0, 1.0), (-1.0, -1.0), (1.0, -1.0)])
@pytest.mark.parametrize("name", sorted(AGENTS))
def test_values_of_a_million_stay_finite(name, signs, success):
    """The members of the last case lie two millions apart."""
    batch = corner(BATCH, success)
    state = extreme(compiled(name, 2)[0](KEY, batch), signs)
    metrics = assert_finite_after_two_updates(name, 2, state, batch)
    if "critic/td" in metrics:  # the values did reach the losses
        assert metrics["critic/td"] > 1e6


@pytest.mark.parametrize("success", [0.0, 1.0])
@pytest.mark.parametrize("name", sorted(AGENTS))
def test_one_critic_and_one_row(name, success):
    batch = corner(1, success)
    start = compiled(name, 1)[0](KEY, batch)
    for state in (start, extreme(start, (1.0,)), extreme(start, (-1.0,))):
        assert_finite_after_two_updates(name, 1, state, batch)
