"""What usually goes wrong between the data and the loss, on the way that a run takes.

The mistakes inside one loss are what the golden tests beside this file exclude.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rankq_jax import configs
from rankq_jax.data import buffer as ring
from rankq_jax.data.episodes import concatenate, cut_at_success, relabel
from rankq_jax.data.mixture import Sources
from rankq_jax.data.prepare import RewardTransform, prepare
from rankq_jax.data.sources.minari import load_minari
from rankq_jax.training import build, datasets
from rankq_jax.types import Episodes
from tests.agents.golden import reference
from tests.agents.golden.setting import (
    FIXED,
    KEY,
    assert_near,
    batch,
    draws,
    known,
    start,
    updated,
)


def episode(first, steps, end, number):
    """Rows `first` to `first + steps` of the golden batch as one episode that ends with `end`."""
    drawn = jax.tree.map(lambda leaf: leaf[first : first + steps], batch())
    flags = {name: np.zeros(steps, bool) for name in ("terminated", "truncated")}
    flags[end][-1] = True
    return Episodes(
        observation=drawn.observation,
        action=drawn.action,
        reward=flags["terminated"].astype(np.float64),
        next_observation=drawn.next_observation,
        success=flags["terminated"],
        episode=np.full(steps, number),
        info={},
        **flags,
    )


@pytest.fixture(scope="module")
def walked():
    """Five steps into the time limit, then three steps into the goal, prepared with 10 r - 5."""
    parts = [episode(0, 5, "truncated", 0), episode(5, 3, "terminated", 1)]
    return prepare(concatenate(parts), RewardTransform(10.0, -5.0, 0.0), gamma=0.99)


def test_a_time_limit_is_bootstrapped_and_the_goal_is_not(walked):
    """The target of row 4, the time limit, is -5 + 0.99 V(s'); that of row 7, the goal, is 5."""
    given = known(data=walked)
    action, _ = reference.draw(given.actor, given.batch.next_observation, draws().backup)
    value = reference.q_values(given.target_critic, given.batch.next_observation, action).min(axis=0)[:, 0]
    y = np.append(-5.0 + 0.99 * value[:7], 5.0)
    update = updated("sac", walked, backup_samples=1, backup_entropy=False)
    assert_near(update.metrics["critic/target"], y.mean())
    assert_near(update.metrics["critic/loss"], reference.td_loss(given.critic, given, y))
    assert 0.99 * abs(value[4]) / 8 > 100 * 1e-5 * abs(y.mean())  # a terminal row 4 would have shown


def test_a_failed_trajectory_puts_no_floor_under_its_actions(walked):
    """Its return-to-go is -5 / (1 - 0.99); the five steps alone, -24.5, would hold up bad actions."""
    np.testing.assert_allclose(walked.extras["mc_return"][:5], np.full(5, -500.0), rtol=1e-5)
    goal = [-5.0 + 0.99 * (-5.0 + 0.99 * 5.0), -5.0 + 0.99 * 5.0, 5.0]
    np.testing.assert_allclose(walked.extras["mc_return"][5:], goal, rtol=1e-5)
    state = lifted(start(), -100.0)  # values far below -24.5, and far above -500
    given = known(state, walked)
    sets = reference.action_sets(given, *draws().conservative)
    sampled = np.concatenate(reference.sampled_values(given.critic, given, sets)[1:], axis=-1)  # [E, 8, 20]
    assert sampled[:, :5].max() < -24.5 and sampled[:, :5].min() > -500.0
    update = updated("cal_ql", walked, state, importance_sampling=True, **FIXED)
    # below the floor: every policy value of the three rows that lead to the goal, and no other
    np.testing.assert_allclose(update.metrics["critic/cql/below_return"], 3 / 8, rtol=1e-6)


def lifted(state, *shifts):
    """`state` with the values of each critic member moved by a constant."""
    layers = state.critic.params["heads"]["params"]
    output = layers["Dense_2"]
    bias = output["bias"] + jnp.asarray(shifts, jnp.float32)[:, None]
    params = {"heads": {"params": {**layers, "Dense_2": {**output, "bias": bias}}}}
    return state._replace(critic=state.critic._replace(params=params))


@pytest.mark.parametrize("lower", [0, 1])
def test_the_actor_follows_the_lower_critic_whichever_it_is(lower):
    """The other member a hundred higher: neither its value nor its gradient counts."""
    state = lifted(start(), *(0.0 if member == lower else 100.0 for member in range(2)))
    given = known(state)

    def loss(actor):
        action, log_density = reference.draw(actor, given.batch.observation, draws().actor)
        q = reference.q_values(given.critic, given.batch.observation, action)[lower]
        return np.mean(given.alpha * log_density - q)

    update = updated("sac", state=state, backup_samples=1, backup_entropy=False)
    assert_near(update.metrics["actor/loss"], loss(given.actor))
    assert_near(update.actor, reference.gradient(loss, given.actor))


@pytest.fixture(scope="module")
def run():
    """A configured run of Cal-QL with rewards 10 r - 5, and the episodes that its dataset is made of."""
    config = configs.arm("cal_ql", "pointmaze-umaze,smoke")
    config.update(dict(seeds=1, dataset_steps=3000, dataset_seed=21, reward_scale=10.0, reward_bias=-5.0))
    config.online.updates_per_dispatch = 1
    config.actor_hidden = config.critic_hidden = (8,)  # little to compile
    built = build.experiment(configs.parse(config))
    name, offline, _ = datasets.load(configs.parse(config), built.task)
    success = built.task.success
    recorded = cut_at_success(relabel(load_minari(name), success), success)
    return built, build.world(configs.parse(config), built, offline), recorded


def test_calibration_is_still_on_in_the_online_phase(run):
    built, world, _ = run
    online = built.plan[1]
    assert online.name == "online"
    layout, rows = built.layout, jax.tree.map(lambda x: jnp.asarray(x[:8]), world.dataset)
    keys = layout.split(jax.random.split(KEY, 1))

    def metrics_at(floor):
        replayed = rows._replace(extras={**rows.extras, "mc_return": jnp.full(8, floor)})
        buffer = ring.Buffer(replayed, inserted=jnp.int32(8))
        sources = Sources(
            offline=layout.replicate(rows),
            online=layout.split(jax.tree.map(lambda x: x[None], buffer)),
            mixing_ratio=layout.split(np.zeros(1, np.float32)),  # every row was collected online
            labels={},
        )
        state = online.agent.init(keys, layout.replicate(rows))
        return jax.tree.map(np.squeeze, layout.merge(online.agent.update(state, sources, keys)[1]))

    high, low = metrics_at(1e3), metrics_at(-1e3)
    assert (high["critic/cql/below_return"], low["critic/cql/below_return"]) == (1.0, 0.0)
    # values near zero, all but the uniform ones lifted to 1000 by the one floor and to nothing by the other
    assert high["critic/cql/gap"] > 900.0 and abs(low["critic/cql/gap"]) < 100.0


def test_files_and_online_episodes_have_their_reward_scaled_once_and_alike(run):
    built, world, recorded = run
    offline = world.dataset
    jax.tree.map(np.testing.assert_array_equal, world.prepare(recorded), offline)  # as if collected again
    # 10 * 0 - 5 and 10 * 1 - 5; twice would be -55 and 45
    np.testing.assert_array_equal(np.unique(offline.reward), [-5.0, 5.0])
    failed = offline.extras["success"] == 0
    assert failed.any() and not failed.all()
    np.testing.assert_allclose(offline.extras["mc_return"][failed], -500.0, rtol=1e-5)
    assert offline.extras["mc_return"].max() == 5.0
    assert built.task.transform.scale == 1.0  # the configuration's transform, not the task's
