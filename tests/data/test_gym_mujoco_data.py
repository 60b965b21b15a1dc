"""Data of Gym-MuJoCo: what is recorded leads the environment to where it was, without any goal."""

import gymnasium
import h5py
import minari
import numpy as np
import pytest

from rankq_jax import tasks
from rankq_jax.data import export, sources
from rankq_jax.data.episodes import snapshots
from rankq_jax.data.sources.minari import dataset_folder
from rankq_jax.envs.gym_mujoco import ROBOTS, simulate
from rankq_jax.envs.streams import streams
from rankq_jax.tasks import gym_mujoco
from rankq_jax.tasks.datasets import make_dataset

STEPS = 300
RANDOM = [f"{robot}-random" for robot in ("halfcheetah", "hopper", "walker2d")]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The random data of the hopper and the folder that they lie in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(tmp_path_factory.mktemp("minari")))
        name = make_dataset(tasks.find("hopper-random"), STEPS, seed=0)
        yield sources.load(name, simulator_state=True), dataset_folder(name)


def test_every_robot_has_the_five_kinds_of_data():
    kinds = ("random", "medium", "medium-replay", "medium-expert", "expert")
    names = [f"{robot}-{kind}" for robot in ("halfcheetah", "hopper", "walker2d") for kind in kinds]
    assert [name for name, task in tasks.TASKS.items() if task.domain == "mujoco"] == names
    for name in RANDOM:
        assert tasks.find(name).success is None and tasks.find(name).spec.horizon == 1000


def test_random_data_are_whole_episodes_of_uniform_actions(made):
    recorded, _ = made
    assert len(recorded.reward) >= STEPS
    ends = np.flatnonzero(np.diff(recorded.episode, append=-1))
    assert (recorded.terminated | recorded.truncated)[ends].all() and recorded.terminated.sum() > 5
    assert not recorded.success.any() and recorded.action.dtype == np.float32
    # The standard errors of mean and deviation are 0.02 and 0.01.
    np.testing.assert_allclose(recorded.action.mean(axis=0), 0.0, atol=0.12)
    np.testing.assert_allclose(recorded.action.std(axis=0), np.sqrt(1 / 3), atol=0.08)


def test_a_recorded_step_is_stepped_again_bit_for_bit(made):
    recorded, _ = made
    assert sorted(recorded.info) == ["qacc_warmstart", "qpos", "qvel"]
    rows = np.array([3, 40, len(recorded.reward) - 1])
    env = tasks.find("hopper-random").environment(3, 1)
    state = env.place(env.reset(streams(1, 3)), np.arange(3), snapshots(recorded, rows))
    np.testing.assert_array_equal(state.observation, recorded.observation[rows])
    _, step = env.step(state, recorded.action[rows], np.ones(3, bool))
    np.testing.assert_array_equal(step.next_observation, recorded.next_observation[rows])
    np.testing.assert_array_equal(step.reward, recorded.reward[rows])
    np.testing.assert_array_equal(step.terminated, recorded.terminated[rows])


def test_a_state_without_a_goal_is_no_place_in_a_task_with_one(made):
    recorded, _ = made
    maze = tasks.find("pointmaze-umaze").environment(2, 1)
    at = snapshots(recorded, np.array([0, 1]))
    at = at._replace(qpos=at.qpos[:, :2], qvel=at.qvel[:, :2], qacc_warmstart=at.qacc_warmstart[:, :2])
    with pytest.raises(ValueError, match=r"goals have shape \(2, 0\), \(2, 2\) is needed"):
        maze.place(maze.reset(streams(0, 2)), np.arange(2), at)


def test_the_file_has_gymnasium_s_names_and_no_goal(made):
    recorded, folder = made
    with h5py.File(folder / "data" / "main_data.hdf5") as file:
        first = file["episode_0"]
        assert "goal" not in first["infos"] and first["infos/qpos"].shape[1] == 6
        np.testing.assert_array_equal(first["rewards"][:], recorded.reward[: len(first["rewards"])])
    assert "Hopper-v5" in (folder / "data" / "metadata.json").read_text()


@pytest.mark.parametrize("robot", ["HalfCheetah-v5", "Hopper-v5"])
def test_minari_knows_the_environment_and_its_spaces(robot, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.chdir(tmp_path)
    task = tasks.find("halfcheetah-random" if robot == "HalfCheetah-v5" else "hopper-random")
    simulation = simulate(ROBOTS[task.name.split("-")[0]])._replace(horizon=10)
    monkeypatch.setattr(gym_mujoco, "simulate", lambda robot: simulation)
    name = make_dataset(task, 20, seed=1)
    assert capfd.readouterr().err == "" and [path.name for path in tmp_path.iterdir()] == ["minari"]
    dataset, native = minari.load_dataset(name), gymnasium.make(robot)
    assert dataset.spec.env_spec.id == robot
    assert dataset.spec.env_spec.max_episode_steps == 1000
    assert dataset.spec.observation_space == native.observation_space
    assert dataset.spec.action_space == native.action_space


@pytest.mark.parametrize("file", ["a.npz", "a.hdf5"])
def test_other_files_hold_the_state_without_a_goal_too(made, file, tmp_path):
    recorded, _ = made
    export.write(recorded, tmp_path / file, "arrays" if file == "a.npz" else "d4rl")
    again = sources.load(str(tmp_path / file), simulator_state=True)
    assert "goal" not in again.info
    np.testing.assert_array_equal(again.info["qpos"], recorded.info["qpos"])


def test_two_behaviors_are_two_halves():
    halves = gym_mujoco._generate("hopper", ("random", "random"), 200, 0, 1, lambda steps: None)
    own = gym_mujoco._generate("hopper", ("random",), 100, 0, 1, lambda steps: None)
    first = len(own.reward)
    assert 200 <= len(halves.reward) < 320
    np.testing.assert_array_equal(halves.reward[:first], own.reward)
    assert not np.array_equal(halves.reward[first : first + 20], own.reward[:20])  # another seed
