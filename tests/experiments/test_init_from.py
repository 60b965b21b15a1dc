"""A run that begins with the weights of another one, and goes on without it."""

import shutil
import tempfile
from pathlib import Path

import jax
import numpy as np
import pytest

from rankq_jax import loop
from rankq_jax.errors import InputError, Stopped
from rankq_jax.training import build, datasets, train, workdir
from rankq_jax.training.initialization import initialize
from rankq_jax.training.restore import restore
from rankq_jax.training.source import read_source
from rankq_jax.training.stopping import Requests
from tests.experiments.going_on import ENDS, config_of
from tests.faults.comparison import compare


class AtOnce(Requests):
    """Somebody who asks from the beginning."""

    def __call__(self):
        return True


def begun(config):
    """The first state of a run, what it was begun with, and its experiment."""
    built = build.experiment(config)
    setup = build.world(config, built, datasets.load(config, built.task)[1])
    with tempfile.TemporaryDirectory() as folder:
        other = read_source(config, Path(folder))
    state, told = initialize(config, built, loop.initial(built.plan, setup, built.layout), other)
    return jax.tree.map(np.asarray, built.layout.merge(state.agent)), told, state.progress


def same(one, other):
    return all(map(np.array_equal, *map(jax.tree.leaves, (one, other))))


def test_every_seed_begins_with_the_other_run(finished_run):
    old = restore(finished_run).state
    agent, told, progress = begun(config_of(init_from=str(finished_run), seeds=2, seed=5, discount=0.9))
    for index in range(2):  # the other run has one seed
        one = jax.tree.map(lambda leaf, i=index: leaf[i], agent._replace(step=np.zeros(2)))
        assert same(one, jax.tree.map(lambda leaf: leaf[0], old._replace(step=np.zeros(1))))
    assert progress == loop.Progress() and agent.step.tolist() == [0, 0]
    after = "after 48 updates and 1500 environment steps: actor, critic"
    assert told.startswith(f"weights of {finished_run} {after}")
    assert told.endswith("initialized: nothing")


def test_another_algorithm_takes_the_policy(finished_run):
    config = config_of("iql", init_from=str(finished_run), init_parts="policy", networks="cal_ql")
    agent, told, _ = begun(config)
    assert same(agent.actor.params, restore(finished_run).state.actor.params)
    assert "initialized: actor's optimizer, critic, value, target_critic" in told


def test_other_shapes_are_refused_before_training(finished_run, tmp_path):
    config = config_of(init_from=str(finished_run), normalize_observations=True)
    with pytest.raises(InputError, match="only this run normalizes observations; let both or neither do so"):
        train.train(config, tmp_path / "run")
    with pytest.raises(InputError, match=r"nowhere: "):
        train.train(config_of(init_from=str(tmp_path / "nowhere")), tmp_path / "other")


def test_other_weights_are_refused_before_data_is_loaded(finished_run, tmp_path, monkeypatch):
    """In one line with the field and both values, and nothing of the folder is written."""
    monkeypatch.setattr(datasets, "load", lambda *_: pytest.fail("data was loaded"))
    hidden = restore(finished_run).config.actor_hidden
    sizes = {"actor_hidden": (5,), "critic_hidden": (6,), "init_parts": "policy"}
    for changes, words in (
        ({"normalize_observations": True}, "config.normalize_observations is False there and True here"),
        (sizes, f"have no part in common (config.actor_hidden is {hidden} there and (5,) here, "),
        (
            {"task": "antmaze-umaze-play"},
            "observations of float32[4], 'antmaze-umaze-play' has float32[29]",
        ),
    ):
        with pytest.raises(InputError) as found:
            train.train(config_of(init_from=str(finished_run), **changes), tmp_path / "run")
        assert words in str(found.value) and "\n" not in str(found.value)
        assert str(found.value).startswith(f"config.init_from={finished_run}: ")
    assert not (tmp_path / "run" / "init_from.json").exists()


def test_it_goes_on_without_the_other_run(finished_run, tmp_path):
    """Stopped at its first event it needs its own folder only, and ends as if it had not been stopped."""
    source = tmp_path / "source"
    shutil.copytree(finished_run, source)
    config = config_of(init_from=str(source))
    train.train(config, tmp_path / "straight")
    with pytest.raises(Stopped):
        train.train(config, tmp_path / "stopped", AtOnce())
    shutil.rmtree(source)
    train.train(config, tmp_path / "stopped")
    assert compare(tmp_path / "straight", tmp_path / "stopped") == ([], 0)


def test_it_begins_with_the_same_checkpoint_again(run_at, finished_run, places, tmp_path):
    """The other run goes on between a start that came to no checkpoint and the next start."""
    source, folder = run_at(ENDS["online"]), tmp_path / "run-from"
    config, number = config_of(init_from=str(source)), places[1, 1, False]
    assert read_source(config, folder).number == number
    shutil.copytree(finished_run, source, dirs_exist_ok=True)
    assert restore(source).number > number
    assert read_source(config, folder).number == number
    shutil.rmtree(source / "checkpoints" / str(number))
    words = f"its checkpoint {number}, with which {folder} has begun, is gone or damaged; put it back"
    with pytest.raises(InputError, match=words):
        read_source(config, folder)
    shutil.copytree(source / "checkpoints" / str(number + 1), source / "checkpoints" / str(number))
    with pytest.raises(InputError, match="is another one now"):
        read_source(config, folder)
    newest = read_source(config_of(init_from=str(finished_run)), folder).number  # asked for another run
    assert newest == restore(finished_run).number


def test_processes_with_seeds_of_their_own_begin_with_the_same(run_at, finished_run, places, tmp_path):
    source = run_at(ENDS["online"])
    config, number = config_of(init_from=str(source)), places[1, 1, False]
    assert read_source(config, tmp_path / "shared" / "process-0").number == number
    shutil.copytree(finished_run, source, dirs_exist_ok=True)
    assert read_source(config, tmp_path / "shared" / "process-1").number == number
    assert not workdir.belongs(tmp_path / "shared", config)  # free for the process that claims it
