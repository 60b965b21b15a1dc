"""SACFlow (arXiv 2605.11151, App. B) against plain numpy, with one and with three steps."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rankq_jax.agents import AGENTS, Optimizers
from rankq_jax.networks import FAMILIES, noisy
from tests.agents.golden import flow_reference, reference
from tests.agents.golden.reference import Known
from tests.agents.golden.setting import KEY, assert_near, batch
from tests.conftest import ACTION_SIZE, BATCH

STEPS = (1, 3)
SIZES = {"actor_hidden": (8,), "critic_hidden": (8, 8)}
VLA = {"entropy": False, "backup_samples": 1}
SAMPLES = 2  # of each set of CQL


@functools.cache
def networks(steps):
    made = FAMILIES["flow"](ACTION_SIZE, **SIZES)
    return made._replace(policy=noisy(made.policy, ACTION_SIZE, steps, hidden=(4,)))


@functools.cache
def updated(name, steps, **arguments):
    """What one update reads, the state after it, from which gradients are subtracted, and its metrics."""
    rule = optax.sgd(1.0)
    agent = AGENTS[name].make(networks(steps), Optimizers(rule, rule, rule, rule), **VLA, **arguments)
    random, data = np.random.default_rng(1), jax.tree.map(jnp.asarray, batch())
    state = jax.jit(agent.init)(KEY, data)

    def moderate(params):
        return jax.tree.map(lambda x: jnp.asarray(x + 0.4 * random.normal(size=x.shape), x.dtype), params)

    state = state._replace(
        actor=state.actor._replace(params=moderate(state.actor.params)),
        critic=state.critic._replace(params=moderate(state.critic.params)),
        target_critic=moderate(state.target_critic),
    )
    after, metrics = jax.jit(agent.update)(state, data, KEY)
    parts = (state.actor.params, state.critic.params, state.target_critic)
    known = Known(*map(reference.exact, parts), alpha=0.0, batch=reference.exact(batch()))
    return known, after, {name: float(value) for name, value in metrics.items()}


def subtracted(before, after):
    return jax.tree.map(np.subtract, before, reference.exact(after))


def of_sample(key, steps):
    """What one sample of the policy draws: start and noise."""
    k_start, k_noise = jax.random.split(key)
    return (
        jax.random.normal(k_start, (BATCH, ACTION_SIZE)),
        jax.random.normal(k_noise, (steps, BATCH, ACTION_SIZE)),
    )


def of_samples(key, samples, steps):
    """What N samples draw: `[B, N, A]` and `[K, B, N, A]`."""
    drawn = [of_sample(k, steps) for k in jax.random.split(key, samples)]
    return jnp.stack([a for a, _ in drawn], axis=1), jnp.stack([b for _, b in drawn], axis=2)


def draws(steps):
    """Those of the actor, of the backup, and the key of the regularizer."""
    k_critic, k_actor = jax.random.split(KEY)
    k_next, k_regularizer = jax.random.split(k_critic)
    backup = [x[..., 0, :] for x in of_samples(k_next, 1, steps)]
    return reference.exact(of_sample(k_actor, steps)), reference.exact(backup), k_regularizer


@pytest.mark.parametrize("steps", STEPS)
def test_a_sample_and_its_density(steps):
    known = updated("sac", steps)[0]
    params = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), known.actor)
    seen = batch().observation
    action, density = jax.jit(networks(steps).policy.sample)(params, seen, KEY)
    found, expected = flow_reference.draw(known.actor, seen, *reference.exact(of_sample(KEY, steps)))
    assert (np.abs(found) > 1.0).any() and (np.abs(found) < 1.0).any()
    assert_near(action, np.clip(found, -1.0, 1.0))
    assert_near(density, expected)


@pytest.mark.parametrize("steps", STEPS)
def test_the_critic_of_sac(steps):
    known, after, metrics = updated("sac", steps)
    y = flow_reference.target(known, *draws(steps)[1])
    assert_near(metrics["critic/target"], y.mean())
    assert_near(metrics["critic/loss"], reference.td_loss(known.critic, known, y))
    expected = reference.gradient(lambda p: reference.td_loss(p, known, y), known.critic)
    assert_near(subtracted(known.critic, after.critic.params), expected)


@pytest.mark.parametrize("steps", STEPS)
def test_the_actor_and_its_one_sided_clip(steps):
    known, after, metrics = updated("sac", steps)
    gradient, action, slope = flow_reference.actor_gradient(known, *draws(steps)[0])
    outside = np.abs(action) > 1.0
    inward = outside & (np.sign(action) == np.sign(slope))
    assert inward.any() and (outside & ~inward).any()  # both kinds are in the batch
    assert_near(metrics["actor/loss"], flow_reference.actor_loss(np.clip(action, -1.0, 1.0), known))
    assert_near(subtracted(known.actor, after.actor.params), gradient)
    deviation = flow_reference.log_deviation(known.actor, known.batch.observation, 0.0, steps)
    assert_near(metrics["actor/log_deviation"], deviation.mean())


def test_there_is_no_temperature():
    _, after, metrics = updated("sac", 1)
    assert after.duals == {} and not any(name.startswith("dual/") for name in metrics)


@pytest.mark.parametrize("steps", STEPS)
def test_the_critic_of_rankq(steps):
    known, after, metrics = updated("rankq", steps)
    (_, backup, k_regularizer), sigma = draws(steps), 0.15
    k_noise, k_random = jax.random.split(k_regularizer)
    normal = reference.exact(jax.random.normal(k_noise, (BATCH, ACTION_SIZE)))
    uniform = jax.random.uniform(k_random, (BATCH, ACTION_SIZE), minval=-1.0, maxval=1.0)
    y, success = flow_reference.target(known, *backup), known.batch.extras["success"] > 0.5

    def loss(params):
        q = reference.compared_values(params, known, normal, reference.exact(uniform), sigma)
        lost = lambda better, worse: reference.softplus(q[worse] - q[better])  # noqa: E731
        four = sum(lost("data", name) for name in ("noisy", "very_noisy", "permuted", "random"))
        chain = lost("noisy", "very_noisy") + lost("very_noisy", "random")
        penalty = np.where(success, four + chain, lost("data", "random"))
        return reference.td_loss(params, known, y) + penalty.sum() / BATCH

    assert_near(metrics["critic/loss"], loss(known.critic))
    assert_near(subtracted(known.critic, after.critic.params), reference.gradient(loss, known.critic))


@pytest.mark.parametrize("name", ["cql", "cal_ql"])
@pytest.mark.parametrize("steps", STEPS)
def test_the_critic_of_cql_and_cal_ql_without_samples_of_the_next_state(name, steps):
    arguments = {"lagrange": False, "weight": 1.0, "samples": SAMPLES, "importance_sampling": False}
    known, after, metrics = updated(name, steps, next_samples=False, **arguments)
    _, backup, k_regularizer = draws(steps)
    k_uniform, k_current, _ = jax.random.split(k_regularizer, 3)
    uniform = jax.random.uniform(k_uniform, (BATCH, SAMPLES, ACTION_SIZE), minval=-1.0, maxval=1.0)
    seen, y = known.batch.observation, flow_reference.target(known, *backup)
    drawn = reference.exact(of_samples(k_current, SAMPLES, steps))
    proposed = np.clip(flow_reference.draw(known.actor, seen, *drawn)[0], -1.0, 1.0)
    floor = known.batch.extras["mc_return"][None, :, None] if name == "cal_ql" else -np.inf

    def loss(params):
        q = functools.partial(reference.q_values, params, seen)
        q_data, random = q(known.batch.action), q(reference.exact(uniform))
        terms = [random, np.maximum(q(proposed), floor), q_data[..., None]]
        gap = reference.logsumexp(np.concatenate(terms, axis=-1)) - q_data
        return reference.td_loss(params, known, y) + gap.mean(axis=1).sum()

    assert_near(metrics["critic/loss"], loss(known.critic))
    assert_near(subtracted(known.critic, after.critic.params), reference.gradient(loss, known.critic))
