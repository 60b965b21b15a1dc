"""Runs whose backbone encodes each observation once: beside frozen ones, resumed, exported, refused."""

import shutil

import jax
import numpy as np
import pytest

from rankq_jax import configs
from rankq_jax.cli import main
from rankq_jax.envs.rollout import opened
from rankq_jax.envs.streams import streams
from rankq_jax.errors import InputError
from rankq_jax.exporting import by_name, greedy_of
from rankq_jax.networks import VLA_PRESETS
from rankq_jax.trained_policies import load_weights, save_weights
from rankq_jax.training import build, train, weights
from rankq_jax.training.restore import restore
from tests.faults import comparison
from tests.told_task import SIZES, TOLD, registered, write_untrained

TINY = {
    "networks": "vla-xs", "critic_hidden": (8,), "batch_size": 8, "dataset_steps": 60, "offline.updates": 4,
    "offline.updates_per_iteration": 2, "offline.updates_per_dispatch": 2, "evaluation_episodes": 1,
    "offline.evaluate_every": 0, "train_envs": 2, "online.updates_per_step": 0.1, "online.warmup": 0,
    "online.env_steps_per_iteration": 32, "online.updates_per_dispatch": 2, "online.evaluate_every": 0,
    "offline.checkpoint_every": 1, "online.checkpoint_every": 1, "keep_checkpoints": 9, "image_shift": 0,
    "keep_best_checkpoints": 0, "actor_learning_rate": 1e-2,
}  # fmt: skip


def config_of(algorithm="flow_bc", **changes):
    config = configs.get_config(f"{TOLD.name},smoke", algorithm)
    online = {"online.env_steps": 0 if algorithm == "flow_bc" else 96}
    config.update_from_flattened_dict(TINY | online | {f.replace("__", "."): v for f, v in changes.items()})
    return configs.parse(config)


@pytest.fixture(scope="module", autouse=True)
def file(tmp_path_factory):
    """A file of first parameters, while the task is registered."""
    with registered():
        yield write_untrained(config_of(), tmp_path_factory.mktemp("weights") / "tiny.npz")


def trained(file, folder, how):
    train.train(config_of(init_from=str(file), encoder_training=how), folder)
    return folder


@pytest.fixture(scope="module")
def cached(file, tmp_path_factory):
    """The folder of a run that begins with the file and encodes each observation once."""
    return trained(file, tmp_path_factory.mktemp("cached") / "run", "cached")


@pytest.fixture(scope="module")
def frozen(file, tmp_path_factory):
    """The folder of the same run with a frozen backbone beside the head."""
    return trained(file, tmp_path_factory.mktemp("frozen") / "run", "frozen")


def names_of(state):
    return {jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(state)}


def test_no_part_of_the_state_is_the_backbone(file, cached):
    """What acts has it, bit for bit that of the file, from the file in the folder."""
    before, restored = load_weights(file).parameters, restore(cached)
    assert "encoder" not in "".join(names_of(restored.state))
    assert set(by_name(restored.params)) == set(before)
    for name, leaf in by_name(restored.params).items():
        assert np.array_equal(leaf[0], before[name]) == name.startswith("encoder/"), name
    stored = load_weights(cached / "backbone.npz").parameters
    assert set(stored) == {name for name in before if name.startswith("encoder/")}
    assert all(array.dtype == np.float32 for array in stored.values())


@pytest.mark.slow
def test_the_head_is_trained_as_behind_a_frozen_backbone(file, frozen, cached):
    """Up to half precision after four updates of the same batches, noises and times."""
    before = load_weights(file).parameters
    theirs, ours = (by_name(restore(one).state.actor.params) for one in (frozen, cached))
    assert set(ours) == {name for name in theirs if not name.startswith("encoder/")}
    for name, leaf in ours.items():
        moved = np.abs(theirs[name][0] - before[name]).max()
        assert moved > 1e-3, name
        # Adam's first steps are as long for small gradients as for large ones: a few elements may turn.
        assert np.mean(np.abs(leaf - theirs[name])) < 0.05 * moved, name


def test_the_exported_policy_is_backbone_and_head(cached, tmp_path, capsys):
    """A file like any other, whose actions are those of the run that is read back."""
    out = tmp_path / "out.npz"
    assert main.execute(["export", f"--workdir={cached}", f"--out={out}"]) in (0, None)
    own, alone = restore(cached), weights.as_restored(load_weights(out))
    with opened(TOLD.environment(4, 1)) as env:
        seen = env.reset(streams(7, 4)).observation
    actions = [greedy_of(one.agent, one.params, 1, 0)(seen) for one in (own, alone)]
    np.testing.assert_array_equal(*actions)
    assert np.std(actions[0]) > 0 and main.execute(["evaluate", f"--weights={out}", "--episodes=1"]) in (
        0,
        None,
    )
    assert main.execute(["evaluate", f"--workdir={cached}", "--episodes=1"]) in (0, None)
    first, second = capsys.readouterr().out.splitlines()[-2:]
    assert first == second and "success rate" in first


@pytest.fixture(scope="module")
def online(file, tmp_path_factory):
    """The folder of a run that has collected, and its file of weights, which is gone."""
    folder = tmp_path_factory.mktemp("online") / "run"
    source = shutil.copy(file, folder.parent / "gone.npz")
    config = config_of("td3_bc", init_from=str(source), encoder_training="cached")
    train.train(config, folder)
    source.unlink()
    return config, folder


@pytest.mark.slow
def test_replay_holds_half_precision_and_no_image(online):
    _, folder = online
    segments = sorted((folder / "checkpoints" / "replay").glob("rows-*.npz"))
    with np.load(segments[-1]) as rows:
        kinds = sorted(f"{leaf.dtype}{list(leaf.shape[1:])}" for leaf in rows.values() if len(leaf))
    # 2 layers, 9 tokens of the image and 3 words, 4 numbers of a key; a readout of 6; and what follows.
    assert [kinds.count(k) for k in ("float16[2, 2, 12, 4]", "float16[6]", "bool[12]", "int32[3]")] == [2] * 4
    assert not any("uint8" in kind for kind in kinds)


@pytest.mark.slow
def test_a_run_resumes_bit_for_bit_without_its_source(online, tmp_path):
    """From a checkpoint inside an episode, once more without the file that it has begun with."""
    config, folder = online
    stopped = tmp_path / "run"
    shutil.copytree(folder, stopped)
    for path in sorted((stopped / "checkpoints").glob("[0-9]*"), key=lambda path: int(path.name))[-2:]:
        shutil.rmtree(path)
    (stopped / "summary.json").unlink()
    train.train(config, stopped)
    assert comparison.compare(folder, stopped).mismatches == []


@pytest.mark.slow
def test_critics_of_a_run_are_asked_about_images(online):
    _, folder = online
    restored = restore(folder)
    with opened(TOLD.environment(4, 1)) as env:
        seen = env.reset(streams(7, 4)).observation
    values = restored.value(0)(seen, np.zeros((4, 2), np.float32))
    assert values.shape == (4,) and np.isfinite(values).all()


@pytest.mark.slow
def test_runs_begin_with_runs(frozen, cached, tmp_path):
    """A cached run with a frozen one and with a cached one, a frozen run with a cached one."""
    for theirs, how in ((frozen, "cached"), (cached, "cached"), (cached, "frozen")):
        folder = tmp_path / f"{theirs.parent.name}-{how}"
        config = config_of(
            init_from=str(theirs), encoder_training=how, actor_learning_rate=1e-9, offline__updates=2
        )
        train.train(config, folder)
        new, old = restore(folder), restore(theirs)
        # Two cached runs share all of the state, others the policy that acts.
        begun = old.state.actor.params if (theirs, how) == (cached, "cached") else old.params
        wanted, found = by_name(begun), by_name(new.state.actor.params)
        assert set(found) == {
            name for name in by_name(old.params) if how == "frozen" or "encoder/" not in name
        }
        for name, leaf in found.items():
            np.testing.assert_allclose(leaf, wanted[name], atol=1e-6, err_msg=name)
        for name, leaf in by_name(new.params).items():
            if name.startswith("encoder/"):
                np.testing.assert_array_equal(leaf, by_name(old.params)[name])


def test_another_backbone_in_the_folder(cached, file, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(cached, folder)
    other = load_weights(write_untrained(config_of(), tmp_path / "other.npz", seed=9))
    own = {name: array for name, array in other.parameters.items() if name.startswith("encoder/")}
    weights_of = other._replace(parameters=own)
    save_weights(weights_of, folder / "backbone.npz")
    with pytest.raises(InputError, match=r"backbone\.npz: is not the backbone that the run has begun with"):
        restore(folder)
    (folder / "backbone.npz").unlink()
    with pytest.raises(InputError, match=r"backbone\.npz: cannot be read \(No such file"):
        restore(folder)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"init_from": ""}, "config.encoder_training=cached: needs a backbone; give config.init_from"),
        ({"networks": "flow"}, "config.networks=flow has no backbone; choose vla-s, vla-xs, vla-state."),
        ({"readout": "mean"}, "the file is of config.readout=flat, this run of mean"),
        ({"image_shift": 4}, "config.image_shift=4 is of what was encoded before"),
        (
            {"normalize_observations": True},
            "config.normalize_observations=True is of what was encoded",
        ),
        ({"dataset_storage": "disk"}, "config.encoder_training=cached: has no use for a dataset on disk"),
    ],
)
def test_what_does_not_go_with_a_cached_backbone(file, tmp_path, changes, error):
    """One line, and nothing is written that training would leave."""
    with pytest.raises(InputError) as found:
        train.train(
            config_of(**{"init_from": str(file), "encoder_training": "cached", **changes}), tmp_path / "run"
        )
    assert error in str(found.value) and "\n" not in str(found.value)
    assert not (tmp_path / "run" / "config.json").exists()


def test_backbones_of_other_sizes(file, cached, tmp_path, monkeypatch):
    """Of another preset, of another size of image, and of a run with another readout."""
    config = config_of(init_from=str(file), encoder_training="cached")
    monkeypatch.setitem(VLA_PRESETS, "vla-s", SIZES)
    for source, named in ((file, "the file is"), (cached, "the run is")):
        wrong = config_of(networks="vla-s", init_from=str(source), encoder_training="cached")
        with pytest.raises(InputError, match=rf"{named} of config\.networks=vla-xs, this .* of vla-s"):
            train.train(wrong, tmp_path / "run")
    found = load_weights(file)
    words = found.observation.replace("uint8[24,24,3]", "uint8[48,48,3]")
    save_weights(found._replace(observation=words), tmp_path / "large.npz")
    large = config_of(init_from=str(tmp_path / "large.npz"), encoder_training="cached")
    with pytest.raises(InputError, match=r"of image uint8\[48,48,3\].* has image uint8\[24,24,3\]"):
        train.train(large, tmp_path / "run")
    assert build.experiment(config).task.spec.observation["kv"].shape == (2, 2, 12, 4)
