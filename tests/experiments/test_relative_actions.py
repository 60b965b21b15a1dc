"""Runs whose critics see how far an action is from what the first policy would do."""

import shutil

import numpy as np
import pytest

from rankq_jax import configs
from rankq_jax.envs.streams import streams
from rankq_jax.errors import InputError
from rankq_jax.exporting import greedy_of
from rankq_jax.trained_policies import load_weights
from rankq_jax.training import backbone, build, datasets, train, weights
from rankq_jax.training.restore import restore
from tests.faults import comparison
from tests.told_task import TOLD, registered, write_untrained

TINY = {
    "networks": "vla-xs", "critic_hidden": (8,), "batch_size": 8, "dataset_steps": 60, "offline.updates": 4,
    "offline.updates_per_iteration": 2, "offline.updates_per_dispatch": 2, "evaluation_episodes": 1,
    "offline.evaluate_every": 0, "offline.checkpoint_every": 1, "online.env_steps": 0, "image_shift": 0,
    "keep_checkpoints": 9, "keep_best_checkpoints": 0, "actor_learning_rate": 1e-2,
}  # fmt: skip
RELATIVE = {"encoder_training": "cached", "critic_actions": "relative"}


def config_of(algorithm="td3_bc", **changes):
    config = configs.get_config(f"{TOLD.name},smoke", algorithm)
    config.update_from_flattened_dict(TINY | changes)
    return configs.parse(config)


@pytest.fixture(scope="module", autouse=True)
def file(tmp_path_factory):
    """A file of first parameters, while the task is registered."""
    with registered():
        yield write_untrained(config_of("flow_bc"), tmp_path_factory.mktemp("weights") / "tiny.npz")


@pytest.fixture(scope="module")
def run(file, tmp_path_factory):
    """The configuration and the folder of a run of relative actions."""
    config, folder = config_of(init_from=str(file), **RELATIVE), tmp_path_factory.mktemp("relative") / "run"
    train.train(config, folder)
    return config, folder


def test_an_observation_tells_what_the_first_policy_would_do(file, run):
    """It is the action of the file, though the policy of the run has moved on."""
    config, folder = run
    built = build.experiment(config)
    _, recorded, _ = datasets.load(config, built.recorded)
    encoded, rows = backbone.put_before(config, folder, built, recorded)
    first, newest = weights.as_restored(load_weights(file)), restore(folder)
    for images, seen in (
        (recorded.observation, rows.observation),
        (recorded.next_observation, rows.next_observation),
    ):
        wanted = greedy_of(first.agent, first.params, 1, 0)(images)
        np.testing.assert_allclose(seen["reference"], wanted, atol=1e-5)
        assert seen["reference"].dtype == np.float32 and np.std(wanted) > 0
        assert np.abs(greedy_of(newest.agent, newest.params, 1, 0)(images) - wanted).max() > 1e-2
    env = encoded.task.environment(4, 1)
    begun = env.reset(streams(7, 4)).observation
    assert begun["reference"].shape == (4, 2)


def test_critics_are_asked_about_images(run):
    """In the place of a reference an image will do, because the folder has the first policy."""
    _, folder = run
    restored = restore(folder)
    images = TOLD.environment(4, 1).reset(streams(7, 4)).observation
    values = restored.value(0)(images, np.zeros((4, 2), np.float32))
    assert values.shape == (4,) and np.isfinite(values).all()


def test_a_run_resumes_bit_for_bit(run, tmp_path):
    config, folder = run
    stopped = tmp_path / "run"
    shutil.copytree(folder, stopped)
    newest = max((stopped / "checkpoints").glob("[0-9]*"), key=lambda path: int(path.name))
    shutil.rmtree(newest)
    (stopped / "summary.json").unlink()
    train.train(config, stopped)
    assert comparison.compare(folder, stopped).mismatches == []


@pytest.mark.slow
def test_critics_of_another_run_come_with_its_first_policy(file, run, tmp_path):
    """And where the policy alone is taken, that one is the first."""
    _, folder = run
    theirs, newest = load_weights(folder / "backbone.npz").parameters, restore(folder)
    own = weights.parameters_of(newest, folder).parameters
    for parts in ("all", "policy"):
        config = config_of(init_from=str(folder), init_parts=parts, **RELATIVE)
        train.train(config, tmp_path / parts)
        found = load_weights(tmp_path / parts / "backbone.npz").parameters
        assert set(found) == set(theirs)
        for name, array in found.items():
            head = name.removeprefix("reference/")
            np.testing.assert_array_equal(array, theirs[name] if parts == "all" else own[head])
        assert any(np.any(array != theirs[name]) for name, array in found.items()) == (parts == "policy")


def test_what_does_not_go_with_relative_actions(file, run, tmp_path):
    _, folder = run
    for changes, why in (
        (
            {"encoder_training": "frozen"},
            "config.critic_actions=relative: needs config.encoder_training=cached",
        ),
        ({"init_from": str(folder), "critic_actions": "absolute"}, "of config.critic_actions=relative, this"),
        ({"networks": "flow", "encoder_training": "separate", "init_from": ""}, "critic_actions"),
    ):
        with pytest.raises(InputError) as found:
            train.train(config_of(**{"init_from": str(file), **RELATIVE, **changes}), tmp_path / "run")
        assert why in str(found.value) and "\n" not in str(found.value)
        assert not (tmp_path / "run" / "config.json").exists()
