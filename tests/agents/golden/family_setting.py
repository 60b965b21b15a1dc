"""Fixed parameters for the agents of every family, and one update whose gradients can be read."""

import functools
from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

from rankq_jax.agents import AGENTS, Trainable
from tests.agents.golden import reference
from tests.agents.golden.family_reference import RATE
from tests.agents.golden.setting import KEY, LOG_ALPHA, batch
from tests.conftest import ACTION_SIZE, BATCH, make_parts

# What belongs to the networks of a family, as its authors have them.
SHAPES = {
    "rlpd": {"critics": 3, "critic_layer_norm": "before"},
    "rebrac": {"critic_layer_norm": "after"},
}


class Setup(NamedTuple):
    """A registered agent on small networks, with gradient descent or with Adam."""

    name: str
    family: str | None = None  # of networks; None: the agent's own
    dropout: float = 0.0  # of the policy
    adam: bool = False


def descent():
    """Gradient descent whose state is the last gradient: a momentum that forgets everything else."""
    return optax.sgd(RATE, momentum=0.0)


def parts(setup):
    family = setup.family or AGENTS[setup.name].networks
    chosen = {"actor_hidden": (8,), "critic_hidden": (8, 8), "actor_dropout": setup.dropout}
    rule = lambda rate: optax.adam(1e-2) if setup.adam else descent()  # noqa: E731
    return make_parts(rule=rule, family=family, sizes={**chosen, **SHAPES.get(family, {})})


@functools.cache
def agent(setup, **arguments):
    return AGENTS[setup.name].make(*parts(setup), **arguments)


@functools.cache
def start(setup, step=0):
    """A state after `step` updates with weights of moderate size: no two networks agree."""
    random = np.random.default_rng(155)
    shapes = jax.eval_shape(agent(setup).init, KEY, batch())

    def weight(path, leaf):
        centre = 1.0 if path[-1].key == "scale" else 0.0  # of a layer normalisation
        return np.asarray(centre + 0.5 * random.normal(size=leaf.shape), leaf.dtype)

    def held(part):
        if not isinstance(part, Trainable):
            return jax.tree_util.tree_map_with_path(weight, part)
        fresh = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), part.opt_state)
        params = part.params
        return Trainable(jax.tree_util.tree_map_with_path(weight, params) if params else params, fresh)

    fields = {name: held(getattr(shapes, name)) for name in shapes._fields if name not in ("step", "duals")}
    if "duals" in shapes._fields:
        empty = {name: held(Trainable({}, dual.opt_state)) for name, dual in shapes.duals.items()}
        fields["duals"] = {name: dual._replace(params=np.float32(LOG_ALPHA)) for name, dual in empty.items()}
    return shapes._replace(step=np.int32(step), **fields)


def known(state, data=None):
    """What the reference is told, in float64: the networks by field of the state, `alpha` and `batch`."""
    told = SimpleNamespace(batch=reference.exact(batch() if data is None else data))
    for name in set(state._fields) - {"step", "duals"}:
        part = getattr(state, name)
        setattr(told, name, reference.exact(part.params if isinstance(part, Trainable) else part))
    if "temperature" in getattr(state, "duals", {}):
        told.alpha = np.exp(float(state.duals["temperature"].params))
    return told


class Update(NamedTuple):
    """What one update reported, its last gradient and what it subtracted by field, and the state after it."""

    metrics: dict[str, float]
    gradient: Any
    subtracted: Any
    after: Any


@functools.cache
def compiled(setup, **arguments):
    return jax.jit(agent(setup, **arguments).update)


def updated(setup, state=None, data=None, key=KEY, **arguments):
    """One update from `state`, by default `start(setup)`, on `data`, by default `batch()`."""
    before, data = start(setup) if state is None else state, batch() if data is None else data
    after, metrics = compiled(setup, **arguments)(before, data, key)
    old, new = vars(known(before)), vars(known(after))
    networks = [name for name in before._fields if name not in ("step", "duals")]
    gradient = SimpleNamespace()
    for name in networks:
        if isinstance(getattr(after, name), Trainable) and not setup.adam:
            setattr(gradient, name, reference.exact(optax.tree.get(getattr(after, name).opt_state, "trace")))
    return Update(
        metrics={name: float(value) for name, value in metrics.items()},
        gradient=gradient,
        subtracted=SimpleNamespace(**{n: jax.tree.map(np.subtract, old[n], new[n]) for n in networks}),
        after=after,
    )


def assert_moved(subtracted, old, new, share=1.0):
    """What was subtracted is `share (old - new)`, but for the rounding of weights in single precision."""
    expected = jax.tree.leaves(jax.tree.map(np.subtract, old, new))
    assert any(np.abs(leaf).max() > 1e-2 for leaf in expected)
    for actual, leaf in zip(jax.tree.leaves(subtracted), expected, strict=True):
        np.testing.assert_allclose(actual, share * leaf, rtol=1e-5, atol=3e-7)


def lifted(state, field, *shifts):
    """`state` with the values of each member of the critics in `field` moved by a constant."""
    part = getattr(state, field)
    params = part.params if isinstance(part, Trainable) else part
    layers = params["heads"]["params"]
    bias = layers["Dense_2"]["bias"] + np.asarray(shifts, np.float32)[:, None]
    new = {"heads": {"params": {**layers, "Dense_2": {**layers["Dense_2"], "bias": bias}}}}
    return state._replace(**{field: part._replace(params=new) if isinstance(part, Trainable) else new})


def normal(key, rows=BATCH):
    """`[rows, A]` of the key that a policy is given."""
    return reference.exact(jax.random.normal(key, (rows, ACTION_SIZE)))


def apart(*values, by=1e-2):
    """Whether no two values agree: a golden value would prove little if two formulas fitted it."""
    return (np.abs(np.subtract.outer(values, values)) + by * np.eye(len(values))).min() >= by
