"""The domain gap by bisection, and cloning behind a frozen backbone that a file of weights has brought."""

import json
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from rankq_jax import configs, tasks
from rankq_jax.cli import main
from rankq_jax.envs.streams import streams
from rankq_jax.errors import InputError
from rankq_jax.exporting import by_name
from rankq_jax.networks import split
from rankq_jax.tasks.tabletop import options_of
from rankq_jax.trained_policies import Weights, digest_of, load_weights, save_weights
from rankq_jax.training import agents, build, gap, train, weights
from rankq_jax.training.restore import restore
from tests.image_tasks import BOTH

# ml_collections loads files in a way that Python 3.12 has no more.
pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")

TINY = {
    "networks": "flow", "encoder": "cnn", "encoder_filters": (2, 2), "encoder_features": 4,
    "actor_hidden": (4,), "batch_size": 8, "dataset_steps": 300, "offline.updates": 4,
    "offline.updates_per_iteration": 4, "offline.updates_per_dispatch": 2, "evaluation_episodes": 1,
}  # fmt: skip


@pytest.mark.parametrize("target", [0.1, 0.35, 0.62, 0.9])
def test_a_falling_curve_is_followed_into_the_band(target):
    """The rate is 0.2 at the target; six halvings come to 1/64 of it."""
    found = gap.find_gap(lambda g: float(np.clip(0.2 - 2.0 * (g - target), 0, 1)), 0.15, 0.25, 6)
    assert found.inside and abs(found.gap - target) <= 0.025 + 1e-9
    assert found.tried[-1] == (found.gap, found.success)
    assert [one.gap for one in found.tried[:3]] == [0.0, 1.0, 0.5] and len(found.tried) <= 8


def test_a_noisy_curve_ends_near_the_band():
    """Rates of 100 episodes each: the chosen one is in the band, or no farther from it than any other."""
    for seed in range(30):
        random = np.random.default_rng(seed)
        found = gap.find_gap(lambda g, r=random: r.binomial(100, 0.9 * (1 - g) ** 2) / 100, 0.15, 0.25, 6)
        assert 0.3 < found.gap < 0.75 and found.inside == (0.15 <= found.success <= 0.25)
        assert all(abs(found.success - 0.2) <= abs(one.success - 0.2) + 0.05 for one in found.tried)


@pytest.mark.parametrize(
    ("curve", "gaps", "chosen"),
    [
        (lambda g: 0.9 - 0.1 * g, [0.0, 1.0, 2.0], 2.0),  # above the band everywhere
        (lambda g: 0.9 - 0.5 * g, [0.0, 1.0, 2.0, 1.5], 1.5),  # inside beyond 1
        (lambda g: 0.1, [0.0], 0.0),  # below it everywhere
        (lambda g: 0.2, [0.0], 0.0),  # inside at once
        (lambda g: 0.9 - 0.7 * g, [0.0, 1.0], 1.0),  # inside at the end
        (lambda g: 0.9 if g < 0.4 else 0.1, [0.0, 1.0, 0.5, 0.25, 0.375], 0.5),  # 0.1 is nearer than 0.9
    ],
)
def test_curves_that_need_no_bisection_or_never_come_into_the_band(curve, gaps, chosen):
    found = gap.find_gap(curve, 0.15, 0.25, 3)
    assert [one.gap for one in found.tried] == gaps and found.gap == chosen
    assert found.inside == (0.15 <= curve(chosen) <= 0.25)


def test_an_empty_band():
    with pytest.raises(ValueError, match=r"low=0\.3 is above high=0\.2"):
        gap.find_gap(lambda g: 0.5, 0.3, 0.2, 6)


def config_of(task, **changes):
    config = configs.arm("flow_bc", f"{task},smoke")
    config.update_from_flattened_dict(
        TINY | {"image_shift": 0, "color_jitter": 0.0} | {f.replace("__", "."): v for f, v in changes.items()}
    )
    return configs.parse(config)


def untrained(config, path):
    """A file of the first parameters of a configuration."""
    built = build.experiment(config)
    agent = agents.agent_of(config, "flow_bc", built.networks, {})
    params = agent.params(agent.init(jax.random.key(3), build.example(config, built.task)))
    arrays = {name: np.asarray(leaf) for name, leaf in by_name(params).items()}
    fields = {field: getattr(config, field) for field in weights.FIELDS}
    save_weights(
        Weights(arrays, "flow_bc", config.task, *built.task.spec.words, fields, {"updates": 0}), path
    )
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return untrained(
        config_of("widowx-cube-stacking-source"), tmp_path_factory.mktemp("weights") / "tiny.npz"
    )


def test_every_gap_is_judged_from_the_same_starts(file, monkeypatch):
    seen = []

    def evaluate(env, act, starts, measure):
        seen.append(env.reset(streams(*starts, env.rows)).observation)
        return SimpleNamespace(metrics={"success": np.array([[True, False]])})

    monkeypatch.setattr(gap, "evaluate", evaluate)
    options = options_of("cube-stacking")
    success = gap.success_of(weights.as_restored(load_weights(file)), options, 2, 0)
    assert [success(0.0), success(1.0), success(0.0)] == [0.5, 0.5, 0.5]
    near, far, again = seen
    jax.tree.map(np.testing.assert_array_equal, near, again)
    np.testing.assert_array_equal(near["proprio"], far["proprio"])
    assert not np.array_equal(near["image"], far["image"])


def test_the_command_calibrates(file, tmp_path, capsys, monkeypatch):
    """Once with the policy itself, which succeeds nowhere, and once along a curve."""
    words = ["calibrate", f"--weights={file}", "--setting=cube-stacking"]
    assert main.execute([*words, "--episodes=1"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "gap 0.0000: success 0.000 [0.000, 0.793] (1 episodes)" and len(said) == 2
    assert said[1].startswith("nearest: gap 0.0000: success 0.000; it is below the band 0.15 to 0.25")
    monkeypatch.setattr(gap, "success_of", lambda *_: lambda g: round(max(0.9 - g, 0.0), 2))
    assert main.execute([*words, f"--out={tmp_path / 'gap.json'}"]) == 0
    assert "chosen: gap 0.7500: success 0.150, in the band 0.15 to 0.25" in capsys.readouterr().out
    about = json.loads((tmp_path / "gap.json").read_text())
    assert (about["gap"], about["inside"], about["policy"]) == (0.75, True, "tiny.npz")
    assert about["task"] == "widowx-cube-stacking-source"
    assert about["parameters"] == digest_of(load_weights(file).parameters)
    assert [one["gap"] for one in about["tried"]] == [0.0, 1.0, 0.5, 0.75]
    np.testing.assert_allclose(
        about["tried"][2]["interval"], [0.309, 0.498], atol=1e-3
    )  # Wilson of 40 in 100
    monkeypatch.setattr(gap, "success_of", lambda *_: lambda g: 0.9)
    assert main.execute(words) == 0
    assert "still above the band 0.15 to 0.25 at gap 2" in capsys.readouterr().out
    monkeypatch.setattr(gap, "success_of", lambda *_: lambda g: 0.9 if g < 2.0 else 0.1)
    assert main.execute([*words, "--halvings=0"]) == 0  # the widest gap lies below the band
    assert "no gap that was tried lies in the band" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (["--setting=cubes"], "setting='cubes': choose one of carrot-on-plate"),
        (["--setting=cube-stacking", "--variant=far"], "variant='far': choose one of grid"),
        (["--setting=cube-stacking", "--variant=state"], "variant='state': choose one of grid"),
        (["--setting=cube-stacking", "--low=0.5"], "--low=0.5: is above --high=0.25"),
        (["--setting=cube-stacking", "--low=0.25"], "--low=0.25: is --high too; give a smaller one"),
        (["--setting=cube-stacking", "--workdir=x"], "has no use for --workdir"),
    ],
)
def test_what_cannot_be_calibrated(file, flags, error):
    with pytest.raises(InputError) as found:
        main.execute(["calibrate", f"--weights={file}", *flags])
    assert error in str(found.value) and "\n" not in str(found.value)


def test_the_head_is_cloned_behind_a_frozen_backbone(tmp_path, monkeypatch):
    """Every bit of the backbone is that of the file, in the parameters and in their average."""
    monkeypatch.setitem(tasks.TASKS, BOTH.name, BOTH)
    source = untrained(config_of(BOTH.name), tmp_path / "source.npz")
    config = config_of(
        BOTH.name, init_from=str(source), encoder_training="frozen", actor_weight_decay=0.1, seed=5
    )
    train.train(config, tmp_path / "run")
    state = jax.tree.map(lambda leaf: np.asarray(leaf)[0], restore(tmp_path / "run").state)
    before = load_weights(source).parameters
    for params in (state.actor.params, state.average):
        backbone, head = map(by_name, split(params))
        assert backbone and head
        for name, leaf in backbone.items():
            np.testing.assert_array_equal(leaf, before[name])
        assert all(np.any(leaf != before[name]) for name, leaf in head.items())
