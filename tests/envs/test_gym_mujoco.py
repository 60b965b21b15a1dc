"""Half-cheetah, hopper and walker against gymnasium: observations, rewards and ends, bit for bit."""

import gymnasium
import numpy as np
import pytest

from rankq_jax.environments import Snapshot
from rankq_jax.envs import gym_mujoco
from rankq_jax.envs.batch import batch_env
from rankq_jax.envs.gym_mujoco import ROBOTS, simulate
from rankq_jax.envs.streams import streams
from rankq_jax.testing import check_environment

IDS = {"halfcheetah": "HalfCheetah-v5", "hopper": "Hopper-v5", "walker2d": "Walker2d-v5"}
SIZES = {"halfcheetah": (17, 6), "hopper": (11, 3), "walker2d": (17, 6)}
STEPS = 200
every_robot = pytest.mark.parametrize("name", IDS)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Another working directory: gymnasium's half-cheetah has MuJoCo write a warning into a file there."""
    monkeypatch.chdir(tmp_path)


def make(name, rows, **arguments):
    return batch_env(simulate(ROBOTS[name])._replace(**arguments), rows, threads=1)


def placed(env, data):
    """All rows where a gymnasium environment is; the episode begins there."""
    state, n = env.reset(streams(0, env.rows)), env.rows
    at = Snapshot(
        np.tile(data.qpos, (n, 1)),
        np.tile(data.qvel, (n, 1)),
        np.tile(data.qacc_warmstart, (n, 1)),
        np.zeros((n, 0)),
        np.zeros(n, np.int32),
    )
    return env.place(state, np.arange(n), at)


@every_robot
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("terminates", [True, False], ids=["ends", "goes on"])
def test_200_steps_equal_gymnasium_bit_for_bit(name, dtype, terminates):
    arguments = {} if name == "halfcheetah" else {"terminate_when_unhealthy": terminates}
    native = gymnasium.make(IDS[name], **arguments)
    seen, _ = native.reset(seed=3)
    env = make(name, 2, horizon=10_000)
    state = placed(env, native.unwrapped.data)
    np.testing.assert_array_equal(state.observation, np.tile(seen, (2, 1)))
    random, ended, rewards = np.random.default_rng(5), 0, []
    with native:
        for t in range(STEPS):
            action = random.uniform(-1, 1, SIZES[name][1]).astype(dtype)
            both = np.stack([action, np.full_like(action, 0.1)])
            seen, reward, terminated, truncated, _ = native.step(action)
            state, step = env.step(state, both, np.ones(2, bool))
            np.testing.assert_array_equal(step.next_observation[0], seen, err_msg=f"step {t}")
            assert step.reward[0] == reward and not truncated, t
            assert not step.truncated.any() and not step.success.any()
            rewards.append(reward)
            if terminates or name == "halfcheetah":
                assert step.terminated[0] == terminated, t
            ended += step.terminated[0]
            if terminated:
                native.reset()
            if step.terminated.any():  # whichever ended: both rows go on where gymnasium is
                state = placed(env, native.unwrapped.data)
    assert len(set(rewards)) == STEPS and (ended > 0) == (name != "halfcheetah")


@every_robot
def test_the_rewards_of_a_batch_are_those_of_its_rows(name):
    env, one = make(name, 3), make(name, 1)
    state = env.reset(streams(7, 3))
    actions = np.random.default_rng(1).uniform(-1, 1, (env.action_size, 3)).astype(np.float32).T
    _, step = env.step(state, actions, np.ones(3, bool))  # not contiguous along an action
    for row in range(3):
        single = one.reset(streams(7, 3)[[row]])
        _, alone = one.step(single, actions[[row]].copy(), np.ones(1, bool))
        assert alone.reward[0] == step.reward[row]


@every_robot
def test_the_contract_is_kept(name):
    def short(rows, threads):
        return batch_env(simulate(ROBOTS[name])._replace(horizon=20), rows, threads)

    check_environment(short, steps=24)


@every_robot
def test_a_model_is_loaded_without_a_word(name, tmp_path, capfd):
    gym_mujoco.model.__wrapped__(ROBOTS[name])  # not the one that is cached
    assert capfd.readouterr() == ("", "") and not list(tmp_path.iterdir())  # MuJoCo writes a log there


@every_robot
def test_sizes_and_time_limit(name):
    env, native = make(name, 2), gymnasium.make(IDS[name])
    assert (env.observation_size, env.action_size) == SIZES[name]
    assert env.horizon == native.spec.max_episode_steps == 1000
    np.testing.assert_array_equal(native.action_space.low, env.spec.action.low)
    np.testing.assert_array_equal(native.action_space.high, env.spec.action.high)
    native.close()


@every_robot
def test_resets_have_the_noise_of_gymnasium(name):
    native = gymnasium.make(IDS[name]).unwrapped
    rest, noise = native.init_qpos, native._reset_noise_scale
    env = make(name, 400)
    state = env.reset(streams(0, 400))
    assert state.goal is None  # there is none
    at = env.snapshot(state)
    offset = at.qpos - rest
    assert np.abs(offset).max() <= noise and np.abs(offset).max() > 0.99 * noise
    deviation = noise if name == "halfcheetah" else noise / np.sqrt(3)
    np.testing.assert_allclose(at.qvel.std(axis=0), deviation, rtol=0.15)  # 4 standard errors
    assert (np.abs(at.qvel).max() > noise) == (name == "halfcheetah")
    assert at.goal.shape == (400, 0)


@every_robot
def test_falling_is_a_terminal_and_no_time_limit(name):
    env = make(name, 2)
    state = env.reset(streams(0, 2))
    at = env.snapshot(state)
    at.qpos[0, 1:3] = [0.0, 3.0]  # on its back, where its height counts from the start of the cheetah
    at = at._replace(step=np.full(2, 999, np.int32))
    _, step = env.step(env.place(state, np.arange(2), at), np.zeros((2, env.action_size)), np.ones(2, bool))
    falls = name != "halfcheetah"
    np.testing.assert_array_equal(step.terminated, [falls, False])
    np.testing.assert_array_equal(step.truncated, [not falls, True])
