"""The factor of the reward by the range of the dataset's returns, as IQL has it on MuJoCo."""

import dataclasses

import numpy as np
import pytest

from rankq_jax import configs, tasks
from rankq_jax.data.prepare import RewardTransform
from rankq_jax.data.sources.arrays import recording
from rankq_jax.errors import InputError
from rankq_jax.tasks import training_data
from rankq_jax.training import build, reward_scaling, train

# Three episodes of the hopper with returns of 1.5, 4 and 11.5.
REWARDS = ([0.5, 1.0], [4.0], [2.0, 3.0, 6.5])
GAMMA = 0.5


def arrays():
    rewards = np.concatenate(REWARDS)
    random = np.random.default_rng(0)
    observations = random.normal(size=(7, 11))
    return {
        "observations": observations[:6],
        "next_observations": observations[1:],
        "actions": random.uniform(-0.9, 0.9, (6, 3)),
        "rewards": rewards,
        "terminals": np.array([0, 1, 1, 0, 0, 1], bool),
        "timeouts": np.zeros(6, bool),
    }


def data(scale=1.0):
    task = tasks.find("hopper-medium")
    return training_data.described(task, arrays(), RewardTransform(scale, 0.0, None), GAMMA)


def config(**changes):
    return dataclasses.replace(configs.parse(configs.arm("iql", "hopper-medium")), **changes)


@pytest.mark.parametrize("scale", [1.0, 4.0])  # another factor beside it makes no difference
def test_returns_of_the_dataset_span_1000(scale):
    dataset, described = data(scale)
    assert described.returns == (1.5 * scale, 11.5 * scale)
    settled, scaled = reward_scaling.settled(config(reward_scale=scale), dataset, described)
    np.testing.assert_allclose(scaled.reward, 100.0 * np.concatenate(REWARDS), rtol=1e-6)
    to_go = [100.0, 100.0, 400.0, 200.0 + 0.5 * (300.0 + 0.5 * 650.0), 300.0 + 0.5 * 650.0, 650.0]
    np.testing.assert_allclose(scaled.extras["mc_return"], to_go, rtol=1e-6)
    assert scaled.reward.dtype == scaled.extras["mc_return"].dtype == np.float32
    online = build.reward_transform(settled, tasks.find("hopper-medium"))
    np.testing.assert_allclose(online(np.array([2.0])), [200.0], rtol=1e-6)
    assert reward_scaling.announcement(settled) == [
        "rewards: times 100, so that the returns of the dataset span 1000"
    ]


def test_a_given_factor_stays():
    dataset, described = data()
    own = config(reward_scaling="given")
    settled, same = reward_scaling.settled(own, dataset, described)
    assert settled is own and same is dataset and not reward_scaling.announcement(own)


def test_what_has_no_range_is_refused():
    dataset, described = data()
    for changes, seen, words in (
        ({}, None, "reads no dataset"),
        ({}, described._replace(returns=(3.0, 3.0)), "equal returns"),
        ({"reward_bias": -1.0}, described, "config.reward_bias=-1.0"),
    ):
        with pytest.raises(InputError, match=words) as error:
            reward_scaling.settled(config(**changes), dataset, seen)
        assert "\n" not in str(error.value) and "set config.reward_scaling=given" in str(error.value)


def test_only_iql_on_mujoco_has_it():
    for arm in ("iql", "oap_iql"):
        assert configs.parse(configs.arm(arm, "hopper-medium")).reward_scaling == "return_range"
    for arm, task in (("iql", "antmaze-umaze-play"), ("td3_bc", "hopper-medium"), ("cql", "hopper-medium")):
        assert configs.parse(configs.arm(arm, task)).reward_scaling == "given"


def test_a_run_scales_its_dataset_and_what_it_collects(tmp_path, capsys, monkeypatch):
    def stop(run):
        raise KeyboardInterrupt(run.setup)  # before anything is compiled

    monkeypatch.setattr(train, "train_with_restarts", stop)
    np.savez(tmp_path / "own.npz", **arrays())
    own = configs.arm("iql", "hopper-medium,smoke")
    own.dataset = str(tmp_path / "own.npz")
    with pytest.raises(KeyboardInterrupt) as stopped:
        train.train(configs.parse(own), tmp_path / "run")
    assert "rewards: times 100, so that" in capsys.readouterr().out
    (setup,) = stopped.value.args
    np.testing.assert_allclose(setup.dataset.reward, 100.0 * np.concatenate(REWARDS), rtol=1e-6)
    whole = training_data.label(tasks.find("hopper-medium"), recording(arrays(), "arrays").episodes, "task")
    np.testing.assert_allclose(setup.prepare(whole).reward, setup.dataset.reward, rtol=1e-6)
