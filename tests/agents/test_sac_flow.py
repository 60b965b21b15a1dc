"""Actor-critics of flow policies with noise: what is trained, what is not, and what values settle at."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rankq_jax import configs
from rankq_jax.agents import Optimizers, cql, flow_bc, rankq, sac, train_encoder
from rankq_jax.agents.regularizers import CriticView, cql_regularizer
from rankq_jax.data.prepare import RewardTransform, prepare
from rankq_jax.lifting import scan_batches
from rankq_jax.networks import FAMILIES, Networks, encoded_critic, ensemble, noisy, state_value, vla_policy
from rankq_jax.networks.vla.policy import Readout
from rankq_jax.transfer import begin, see_through_policy, transfer, without_noise
from rankq_jax.types import Critic, Episodes
from tests.conftest import make_batch, make_parts
from tests.networks.vla_cases import TINY, tiny_batch

VLA = {"entropy": False, "backup_samples": 1}


def vla_batch(rows=4):
    batch = tiny_batch(0, rows)
    success = np.float32(np.arange(rows) % 2)
    return jax.tree.map(jnp.asarray, batch._replace(extras={"success": success, "mc_return": 0.0 * success}))


@functools.cache
def plain_networks():
    critic = encoded_critic(ensemble((4,)), Readout(TINY))
    return Networks(vla_policy(TINY), critic, state_value((4,)), TINY.action_size)


@functools.cache
def frozen():
    """A frozen agent on tiny networks of images, and its first state."""
    made = plain_networks()
    made = made._replace(policy=noisy(made.policy, made.action_size, hidden=(4,)))
    agent = train_encoder(rankq, made, Optimizers.adam(1e-2, clip=0.5), "frozen", **VLA)
    return agent, jax.jit(agent.init)(jax.random.key(0), vla_batch())


def same(one, other):
    return all(map(np.array_equal, *map(jax.tree.leaves, (one, other))))


def names(tree):
    return {str(getattr(part, "key", part)) for path, _ in jax.tree.leaves_with_path(tree) for part in path}


def test_the_backbone_is_in_no_optimizer_and_keeps_every_bit():
    agent, state = frozen()
    for part in (state.actor, state.critic):
        assert "encoder" in names(part.params) and "encoder" not in names(part.opt_state)
    after, metrics = jax.jit(agent.update)(state, vla_batch(), jax.random.key(1))
    for old, new in ((state.actor.params, after.actor.params), (state.critic.params, after.critic.params),
                     (state.target_critic, after.target_critic)):  # fmt: skip
        assert same(old["encoder"], new["encoder"])
    for moved in ("velocity", "noise"):
        assert not same(state.actor.params[moved], after.actor.params[moved])
    assert same(state.actor.params["auxiliary"], after.actor.params["auxiliary"])
    assert not same(state.critic.params["heads"], after.critic.params["heads"])
    np.testing.assert_allclose(metrics["actor/log_deviation"], -2.25)


def test_the_policy_that_acts_and_a_fresh_noise_head_begin_a_run():
    """Of behavior cloning the average, not the parameters that it trains; critics see through it too."""
    agent, new = frozen()
    old = flow_bc(plain_networks(), Optimizers.adam(1e-3)).init(jax.random.key(5), vla_batch())
    old = old._replace(average=jax.tree.map(lambda leaf: leaf + 1.0, old.average))
    found = transfer(agent, new, old, acting=old.average)
    assert same(without_noise(found.state.actor.params), old.average)
    assert same(found.state.actor.params["noise"], new.actor.params["noise"])
    assert same(found.state.critic, new.critic) and int(found.state.step) == 0
    assert found.copied == ("actor",)
    started = {"actor's noise", "actor's optimizer", "critic", "target_critic", "duals"}
    assert set(found.initialized) == started
    seeing = see_through_policy(agent, found)
    assert seeing.copied == ("actor", "critic's encoder", "target_critic's encoder")
    for critic in (seeing.state.critic.params, seeing.state.target_critic):
        assert same(critic["encoder"], old.average["encoder"])
    assert same(seeing.state.critic.params["heads"], new.critic.params["heads"])
    seen = vla_batch().observation
    features = Readout(TINY).apply(seeing.state.critic.params["encoder"], seen)
    h = plain_networks().policy.flow.encode(old.average, seen).h
    np.testing.assert_allclose(features, np.concatenate([h, seen["proprio"]], axis=1), rtol=1e-5)


def test_parameters_of_a_file_begin_it_as_well():
    agent, new = frozen()
    params = jax.tree.map(lambda leaf: leaf + 1.0, without_noise(new.actor.params))
    found = begin(agent, new, params)
    assert same(without_noise(found.state.actor.params), params)
    assert "actor's noise" in found.initialized
    assert see_through_policy(agent, found).copied[0] == "actor"
    own = jax.tree.map(lambda leaf: leaf + 1.0, new.actor.params)  # of a policy with noise
    found = begin(agent, new, own)
    assert same(found.state.actor.params, own) and "actor's noise" not in found.initialized


def from_zeros(make, **arguments):
    """One update of an agent of a small flow policy with noise, all of whose first parameters are 0."""
    networks = FAMILIES["flow"](2, (4,))
    networks = networks._replace(policy=noisy(networks.policy, 2, hidden=(2,)))
    agent = make(networks, Optimizers.adam(1e-2), **arguments)
    shapes = jax.eval_shape(agent.init, jax.random.key(0), make_batch())
    state = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    update = jax.jit(agent.update)
    return lambda batch: update(state, batch, jax.random.key(1))


def test_importance_weights_are_those_of_the_flow_policy():
    """Check A12. A critic of zeros has a gap of log(sum of 1 / density), without weights of log(21).

    Ten uniform actions have a density of 1/4 each. For an action of the policy 1 / density is in the mean the
    area in which it lies, (6 exp(-2.25))^2 = 0.4.
    """
    fixed = {"lagrange": False, "samples": 10, "next_samples": False, "importance_sampling": True}
    after, metrics = from_zeros(cql, **fixed, **VLA)(make_batch())
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((after.critic, after.actor, metrics)))
    assert np.log(10 * 4 + 1) < metrics["critic/cql/gap"] < np.log(10 * 4 + 8)


def test_without_its_failure_term_rankq_ranks_actions_of_successes_alone():
    """Check D6, from a configuration: each of six pairs costs ln 2 where a critic sees no difference."""
    config = configs.arm("rankq", "widowx-carrot-on-plate")
    config.rankq.failure_weight = 0.0
    update, batch = from_zeros(rankq, **configs.parse(config).sections["rankq"]), make_batch()
    for successes in (0, 3, 8):
        success = np.float32(np.arange(8) < successes)
        _, metrics = update(batch._replace(extras={**batch.extras, "success": success}))
        expected = successes / 8 * 6 * np.log(2)
        np.testing.assert_allclose(metrics["critic/penalty"], expected, rtol=1e-6)


def test_the_actor_waits_for_the_critic():
    agent = sac(*make_parts(), critic_warmup=2)
    update, batch = jax.jit(agent.update), jax.tree.map(jnp.asarray, make_batch())
    states = [jax.jit(agent.init)(jax.random.key(0), batch)]
    for key in jax.random.split(jax.random.key(1), 3):
        states.append(update(states[-1], batch, key)[0])
    assert same(states[0].actor, states[1].actor) and same(states[0].actor, states[2].actor)
    assert not same(states[2].actor.params, states[3].actor.params)
    assert not same(states[0].critic.params, states[1].critic.params)
    assert update._cache_size() == 1


def test_an_entropy_that_is_left_out_is_in_no_backup():
    with pytest.raises(ValueError, match="backup_entropy=True takes an entropy, which entropy=False leaves"):
        sac(*make_parts(), entropy=False, backup_entropy=True)


def test_a_time_limit_does_not_end_a_value():
    """Check A8: a reward of 1 in each of 25 steps of an episode that is then cut is worth 1 / (1 - 0.99)."""
    steps = 25
    seen = np.eye(steps, dtype=np.float64)
    ends = np.arange(steps) == steps - 1
    episodes = Episodes(
        observation=seen, action=np.zeros((steps, 2)), reward=np.ones(steps), next_observation=seen,
        terminated=np.zeros(steps, bool), truncated=ends, success=np.ones(steps, bool),
        episode=np.zeros(steps, int), info={},
    )  # fmt: skip
    data = prepare(episodes, RewardTransform(1.0, 0.0, 0.0, persists=True), 0.99)
    np.testing.assert_allclose(data.extras["mc_return"], 100.0, rtol=1e-5)
    table = Critic(
        init=lambda key, observation, action: jnp.zeros((2, steps)),
        apply=lambda q, observation, action: q @ observation.T,
        apply_to_set=lambda q, observation, actions: (q @ observation.T)[..., None],  # of one action
    )
    networks = FAMILIES["flow"](2, (4,))
    networks = networks._replace(critic=table, policy=noisy(networks.policy, 2, hidden=(2,)))
    # The mean over 25 rows of a squared error: a step of 12.5 puts each value where its target is.
    rules = [optax.sgd(rate) for rate in (0.0, steps / 2, 0.0, 0.0)]
    agent = scan_batches(sac(networks, Optimizers(*rules), target_rate=1.0, **VLA))
    updates = 1_000
    batches = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (updates, *leaf.shape)), data)
    state = agent.init(jax.random.key(0), data)
    state, _ = jax.jit(agent.update)(state, batches, jax.random.key(1))
    np.testing.assert_allclose(state.critic.params, 100.0, atol=0.1)


@pytest.mark.parametrize("importance_sampling", [False, True])
def test_policy_values_below_the_return_get_no_gradient(importance_sampling):
    """Check A9: every policy value lies below, so that the uniform ones alone are pushed."""
    rows, samples = 3, 4
    batch = make_batch(0, rows)
    batch = batch._replace(extras={**batch.extras, "mc_return": np.full(rows, 2.0, np.float32)})
    gap = cql_regularizer(samples, 1.0, importance_sampling, calibrated=True, next_samples=False)

    def penalty(q):
        view = CriticView(
            q_of_set=lambda actions: q,
            q_data=jnp.zeros((1, rows)),
            propose=lambda observation, key, n: (jnp.zeros((rows, n, 2)), jnp.zeros((rows, n))),
            duals={},
        )
        return gap(view, batch, jax.random.key(0))[0].sum()

    slope = jax.grad(penalty)(jnp.zeros((1, rows, 2 * samples)))
    assert np.all(slope[..., :samples] > 0.0) and not np.any(slope[..., samples:])
    above = jax.grad(penalty)(jnp.full((1, rows, 2 * samples), 3.0))
    assert np.all(above > 0.0)
