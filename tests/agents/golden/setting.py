"""The fixed parameters, batch and draws of the golden tests, and one update whose gradients can be read."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from rankq_jax.agents import AGENTS
from rankq_jax.lifting import adapt
from tests.agents.golden import reference
from tests.agents.golden.reference import Known
from tests.conftest import ACTION_SIZE, BATCH, make_batch, make_parts

KEY = jax.random.key(11)
LOG_ALPHA = -0.4  # not 0, where alpha is 1 and its loss vanishes
TOLERANCE = 1e-5
TERMINAL, TRUNCATED = 2, 5  # rows

# Arguments of CQL and Cal-QL.
WEIGHT, THRESHOLD = 5.0, 0.8
FIXED = {"weight": WEIGHT, "lagrange": False, "backup_samples": 1}
LAGRANGE = {"weight": WEIGHT, "lagrange": True, "lagrange_threshold": THRESHOLD, "backup_samples": 1}


def parts():
    """The networks of all tests with gradient descent of rate 1: a gradient is what an update subtracts."""
    return make_parts(rule=lambda rate: optax.sgd(1.0))


def batch(**extras):
    """One row ends the task, one an episode by its time limit; three of eight rows are of successes."""
    success = np.isin(np.arange(BATCH), (0, 3, 4)).astype(np.float32)
    discount = np.full(BATCH, 0.99, np.float32)
    discount[TERMINAL] = 0.0  # the discount of a truncated row is that of any other
    drawn = make_batch(4)
    extras = {**drawn.extras, "success": success, **extras}
    return drawn._replace(discount=discount, extras={k: np.asarray(v, np.float32) for k, v in extras.items()})


@functools.cache
def start():
    """Weights of moderate size: no two networks agree, and each critic is the smaller one somewhere."""
    state = jax.jit(AGENTS["sac"].make(*parts()).init)(KEY, batch())
    random = np.random.default_rng(1)

    def moderate(params):
        return jax.tree.map(lambda x: jnp.asarray(x + 0.4 * random.normal(size=x.shape), x.dtype), params)

    temperature = state.duals["temperature"]._replace(params=jnp.float32(LOG_ALPHA))
    return state._replace(
        actor=state.actor._replace(params=moderate(state.actor.params)),
        critic=state.critic._replace(params=moderate(state.critic.params)),
        target_critic=moderate(state.target_critic),
        duals={**state.duals, "temperature": temperature},
    )


def blank_critic():
    """`start()` with a critic whose every value is zero."""
    zeros = jax.tree.map(jnp.zeros_like, start().critic.params)
    return start()._replace(critic=start().critic._replace(params=zeros))


def known(state=None, data=None):
    """What the reference is told."""
    state, data = start() if state is None else state, batch() if data is None else data
    return Known(
        actor=reference.exact(state.actor.params),
        critic=reference.exact(state.critic.params),
        target_critic=reference.exact(state.target_critic),
        alpha=np.exp(float(state.duals["temperature"].params)),
        batch=reference.exact(data),
    )


@functools.cache
def compiled(name, **arguments):
    """The update of a registered agent, and its first state."""
    agent = AGENTS[name].make(*parts(), **arguments)
    return jax.jit(agent.update), jax.jit(agent.init)(KEY, batch())


class Update(NamedTuple):
    """What one update reported, subtracted and left behind."""

    metrics: dict[str, float]
    actor: Any  # gradients
    critic: Any
    duals: dict[str, float]
    after: Any


def updated(name, data=None, state=None, **arguments):
    """One update of the agent `name` from `state`, by default `start()`, on `data`, by default `batch()`."""
    update, first = compiled(name, **arguments)
    before, data = adapt(start() if state is None else state, first), batch() if data is None else data
    after, metrics = update(before, jax.tree.map(jnp.asarray, data), KEY)

    def subtracted(old, new):
        return jax.tree.map(np.subtract, reference.exact(old.params), reference.exact(new.params))

    return Update(
        metrics={key: float(value) for key, value in metrics.items()},
        actor=subtracted(before.actor, after.actor),
        critic=subtracted(before.critic, after.critic),
        duals={name: float(subtracted(before.duals[name], after.duals[name])) for name in before.duals},
        after=after,
    )


def _candidates(key, samples):
    """`[B, N, A]` standard normal as a policy draws N actions of each row: one key for each of the N."""
    keys = jax.random.split(key, samples)
    return jnp.stack([jax.random.normal(k, (BATCH, ACTION_SIZE)) for k in keys], axis=1)


def _uniform(key, *shape):
    return jax.random.uniform(key, (*shape, ACTION_SIZE), minval=-1.0, maxval=1.0)


class Draws(NamedTuple):
    """All that one update draws, in the order in which it splits its key. Normal, unless it says uniform."""

    actor: Any  # [B, A]
    backup: Any  # [B, N, A]
    conservative: tuple[Any, Any, Any]  # [B, n, A]: uniform, for the policy at s, for the policy at s'
    ranking: tuple[Any, Any]  # [B, A]: shared by both noisy actions, and uniform


@functools.cache
def draws(backup_samples=1, samples=10):
    """Of `KEY`, with `backup_samples` actions in the backup and `samples` in each set of CQL."""

    def draw(key):
        k_critic, k_actor = jax.random.split(key)
        k_next, k_regularizer = jax.random.split(k_critic)
        k_uniform, k_current, k_following = jax.random.split(k_regularizer, 3)
        k_noise, k_random = jax.random.split(k_regularizer)
        return Draws(
            actor=jax.random.normal(k_actor, (BATCH, ACTION_SIZE)),
            backup=_candidates(k_next, backup_samples),
            conservative=(
                _uniform(k_uniform, BATCH, samples),
                _candidates(k_current, samples),
                _candidates(k_following, samples),
            ),
            ranking=(jax.random.normal(k_noise, (BATCH, ACTION_SIZE)), _uniform(k_random, BATCH)),
        )

    return reference.exact(jax.jit(draw)(KEY))


def assert_near(actual, expected):
    """Equal to 1e-5; arrays relative to the largest entry of all that is expected."""
    actual, expected = (np.concatenate([np.ravel(x) for x in jax.tree.leaves(t)]) for t in (actual, expected))
    np.testing.assert_allclose(actual, expected, rtol=0.0, atol=TOLERANCE * np.abs(expected).max())
