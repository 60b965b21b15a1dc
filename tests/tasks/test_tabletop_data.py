"""Demonstrations of the tabletop: successes only, clean labels, the same with any number of threads."""

import dataclasses
import json

import minari
import numpy as np
import pytest

from rankq_jax import configs, tasks
from rankq_jax.cli.main import execute
from rankq_jax.data.episodes import last_rows, lengths
from rankq_jax.data.generate import shards
from rankq_jax.envs.streams import streams
from rankq_jax.envs.tabletop import demonstrations as module
from rankq_jax.envs.tabletop.env import tabletop_env
from rankq_jax.envs.tabletop.options import Options
from rankq_jax.errors import InputError
from rankq_jax.tasks import tabletop, training_data
from rankq_jax.tasks.datasets import make_dataset
from rankq_jax.testing.comparing import same
from rankq_jax.training import build, datasets


def test_demonstrations_succeed_and_rest_and_do_not_depend_on_threads(monkeypatch):
    monkeypatch.setattr(module, "ROWS", 4)
    options = Options(image=(48, 64), varied=True, direction="both")
    found = tabletop.collect(options, 2, seed=0, threads=1)
    same(tabletop.collect(options, 2, seed=0, threads=2), found, "with two threads")
    last = last_rows(found)
    assert last.sum() == 2 and found.success[last].all() and not found.terminated.any()
    np.testing.assert_array_equal(found.truncated, last)
    assert (lengths(found) >= 18).all() and (lengths(found) <= 60).all()
    assert found.action.shape[1:] == (7,) and found.action.dtype == np.float32
    assert np.abs(found.action).max() <= 1.0 and set(found.action[:, 6]) == {-1.0, 1.0}
    # The arm rests with an open gripper for four steps in the end.
    for end in np.flatnonzero(last):
        rest = found.action[end - 3 : end + 1]
        assert np.abs(rest[:, :3]).max() < 1e-6 and (rest[:, 6] == 1.0).all()
    for name, leaf in found.observation.items():
        np.testing.assert_array_equal(leaf[1:][~last[:-1]], found.next_observation[name][:-1][~last[:-1]])
    assert found.observation["image"].dtype == np.uint8


def test_a_generator_makes_whole_episodes_that_a_shard_keeps(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "ROWS", 3)
    task = tasks.find("widowx-carrot-on-plate-state")
    made = task.generators["expert"].make(30, 1, 1, lambda steps: None)
    assert len(made.reward) >= 30 and made.action.shape[1:] == (7,)
    shards.save(made, tmp_path / "shard.npz")
    same(shards.load(tmp_path / "shard.npz", task.spec.observation), made, "a shard that was read")


def test_a_dataset_of_images_is_read_by_minari_and_by_the_library(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    monkeypatch.setattr(module, "ROWS", 2)
    task = tasks.find("widowx-cube-stacking-source")
    name = make_dataset(task, 18, 3)
    made = task.generators["expert"].make(18, 3, 1, lambda steps: None)
    read = next(iter(minari.load_dataset(name).iterate_episodes()))
    first = lengths(made)[0]
    np.testing.assert_array_equal(read.observations["image"][:-1], made.observation["image"][:first])
    loaded = training_data.load(task, name, task.transform, 0.99)
    assert len(lengths(made)) == 1  # after the first four steps, every third one, and the last one
    rows = sorted({*range(4), *range(4, int(first), 3), int(first) - 1})
    np.testing.assert_array_equal(loaded.observation["image"], made.observation["image"][rows])
    np.testing.assert_array_equal(loaded.observation["instruction"], made.observation["instruction"][rows])
    for at, row in enumerate(rows):
        end = int(np.flatnonzero(made.episode == made.episode[row])[-1])
        for k in range(4):
            step = loaded.action[at].reshape(4, 7)[k]
            if row + k <= end:
                np.testing.assert_allclose(step, made.action[row + k], atol=2e-5)  # clipped inside the box
            else:  # it holds still
                np.testing.assert_allclose(step, [0, 0, 0, 0, 0, 0, made.action[end, 6]], atol=2e-5)
        to = min(row + 3, end)
        np.testing.assert_array_equal(
            loaded.next_observation["image"][at], made.next_observation["image"][to]
        )
        assert loaded.reward[at] == made.reward[to]
        # It leads to where the grip changes next, or to the end of the recording.
        other_grip = np.flatnonzero(made.action[row : end + 1, 6] != made.action[row, 6])
        now, after = made.observation["proprio"], made.next_observation["proprio"]
        leads = now[row + other_grip[0]] if len(other_grip) else after[end]
        np.testing.assert_array_equal(loaded.extras["waypoint"][at], leads)
    assert (loaded.discount == np.float32(0.99)).all()
    # Who imitates reads waypoints. Others do not have the column, so that data and replay are of one kind.
    for arm, wanted in (("flow_bc", True), ("rankq", False)):
        config = configs.parse(configs.arm(arm, "widowx-cube-stacking-source"))
        assert ("waypoint" in build.columns(config, loaded).extras) == wanted
    # It tells the camera of its task, at 1 cm about 0, -16 and 36 cm, and is no data of a task with another.
    told = json.loads((tmp_path / name / "data" / "metadata.json").read_text())["world"]
    assert told == {"camera": "(0.000, -0.160, 0.360) m +- 0.01 m, 42.1 degrees", "gap": 0.0}
    other = tasks.find("widowx-cube-stacking")
    with pytest.raises(InputError, match=r"'camera' is '.*\+- 0\.01 m.*' where the task has '.*\+- 0 m,.*'"):
        training_data.load(other, name, other.transform, 0.99)
    # The command that describes datasets knows what only vectors have.
    words = f"dataset inspect --task={task.name} --dataset={name} --random-episodes=0".split()
    assert execute([*words, f"--picture={tmp_path / 'sheet.png'}"]) == 0
    said = capsys.readouterr().out
    episodes = len(lengths(made))
    assert f"100 % ({episodes} of {episodes})" in said  # all of them succeed
    assert sum(line.startswith("action quantile") for line in said.splitlines()) == 3
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")
    assert "needs observations that are vectors" in said and "\nbroken" not in said
    # Rewards are 0 and 1, and all episodes come to a 1.
    assert "the reward is sparse, and taken as recorded" in said and "dense" not in said
    assert "1.0000 (mean return 1, from 0 to 1)" in said


def test_half_of_the_episodes_are_executed_with_noise():
    drawn = [module._draw(np.array([0, row], np.uint64), 0).noise for row in range(60)]
    silent = [not noise.any() for noise in drawn]
    assert 15 < sum(silent) < 45 and all(noise.shape == (100, 7) for noise in drawn)


def test_recordings_begin_away_from_the_start_of_an_episode():
    blind = Options(setting="carrot-on-plate", image=None)
    made = module.demonstrations(blind, 0, 1)
    tools = np.stack([next(made).observation["proprio"][0] for _ in range(12)])
    start = tabletop_env(blind, 1, 1).reset(streams(0, 1)).observation["proprio"][0]
    away = np.abs(tools - start)[:, :2]
    assert away.max(axis=0).min() > 0.3 and away.max() < 0.9  # of half the width of the region, 14 and 20 cm
    np.testing.assert_allclose(tools[:, 6], 1.0, atol=0.05)  # with an open gripper


def test_recoveries_begin_after_a_blunder_and_succeed():
    blind = Options(setting="cube-stacking", image=None, chunk=1, horizon=100)

    def first_rows(recovering):
        made = module.demonstrations(blind, 7, 1, recovering=recovering)
        found = [next(made) for _ in range(module.ROWS)]
        assert all(episode.success[-1] for episode in found)
        return found, np.stack([episode.observation["state"][0] for episode in found])

    plain, untouched = first_rows(False)
    recoveries, poses = first_rows(True)
    # Things lie or hang elsewhere than an episode puts them: by 5 cm, in units of 15.
    moved = np.abs(poses - untouched)[:, [0, 1, 2]].max(axis=1) > 0.05 / 0.15
    assert 2 < moved.sum() < module.ROWS
    # Some grippers are shut around nothing, and what the expert wants is to open them.
    shut = np.array([episode.observation["proprio"][0, 6] < -0.5 for episode in recoveries])
    assert shut.any() and all(e.action[0, 6] == 1.0 for e, s in zip(recoveries, shut, strict=True) if s)
    assert all(episode.observation["proprio"][0, 6] > 0.9 for episode in plain)


def test_what_a_recording_tells_of_its_camera():
    def world(**changes):
        return tabletop.task("x", Options(**changes)).world

    shifted = world(gap=0.5)  # by half of 3, -3 and 2 cm
    assert shifted == {"camera": "(0.015, -0.175, 0.370) m +- 0 m, 42.1 degrees", "gap": 0.5}
    assert "+- 0.05 m" in world(randomized=True)["camera"]
    assert world(image=None, gap=0.5) == {}
    assert len({str(world(**each)) for each in ({}, {"varied": True}, {"gap": 1.0})}) == 3


def test_an_algorithm_that_cannot_read_chunks_is_refused_before_they_are_made(monkeypatch):
    monkeypatch.setattr(datasets, "make", lambda *_: pytest.fail("a dataset was made"))
    arm = configs.arm("cal_ql", "widowx-cube-stacking,smoke")
    config = dataclasses.replace(configs.parse(arm), dataset_steps=2_100)  # beside what it collects itself
    with pytest.raises(InputError, match=r"stacking: its rows are control steps.* no row has its mc_"):
        datasets.load(config, tasks.find("widowx-cube-stacking"))
