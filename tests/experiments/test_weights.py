"""Flow policies act with other arguments, and become files that others begin with."""

import hashlib
import json

import jax
import numpy as np
import pytest

import rankq_jax as rq
from rankq_jax import configs, loop
from rankq_jax.cli import main
from rankq_jax.configs.changes import arguments_in
from rankq_jax.errors import InputError
from rankq_jax.exporting import by_name, greedy_of
from rankq_jax.trained_policies import digest_of, load_policy, load_weights, pretrained, save_weights
from rankq_jax.training import acting, build, calibration, datasets, train, weights
from rankq_jax.training.initialization import initialize
from rankq_jax.training.restore import restore
from rankq_jax.training.source import read_source

# ml_collections loads files in a way that Python 3.12 has no more.
pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")

TASK = "pointmaze-umaze"
SEEN = np.random.default_rng(0).uniform(-1, 1, (5, 4)).astype(np.float32)


def config_of(**changes):
    config = configs.arm("flow_bc", f"{TASK},smoke")
    tiny = {"offline.updates": 20, "offline.updates_per_dispatch": 20, "evaluation_episodes": 2, "seeds": 2,
            "actor_hidden": (8,), "flow_bc.steps": 3, "dataset_steps": 1_000,
            "normalize_observations": True}  # fmt: skip
    config.update_from_flattened_dict(tiny | {f.replace("__", "."): v for f, v in changes.items()})
    return configs.parse(config)


def config_of_bc():
    config = configs.arm("bc", f"{TASK},smoke")
    tiny = {"offline.updates": 20, "offline.updates_per_dispatch": 20, "evaluation_episodes": 2,
            "actor_hidden": (8,), "dataset_steps": 1_000}  # fmt: skip
    config.update_from_flattened_dict(tiny)
    return configs.parse(config)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run of a flow policy with two seeds."""
    folder = tmp_path_factory.mktemp("flow") / "run"
    train.train(config_of(), folder)
    return folder


def greedy(restored, index=0):
    return greedy_of(restored.agent, restored.params, len(restored.built.seeds), index)(SEEN)


def test_a_policy_acts_in_other_steps(run):
    """One step from zero noise ends at the velocity there."""
    restored = restore(run)
    one = acting.with_arguments(restored, {"flow_bc.steps": "1"})
    flow = restored.built.networks.policy.flow
    params = jax.tree.map(lambda leaf: leaf[0], restored.params)
    inner, seen = params.inner, params.seen(SEEN)
    zeros = np.zeros((5, 2), np.float32)
    velocity = flow.velocity(inner, zeros, zeros[:, 0], flow.encode(inner, seen), None)
    np.testing.assert_allclose(greedy(one), np.clip(velocity, -1, 1), atol=1e-6)
    assert np.abs(greedy(one) - greedy(restored)).max() > 1e-6
    assert one.config.sections["flow_bc"]["steps"] == 1
    same = acting.with_arguments(restored, {"flow_bc.steps": "3"})
    assert same.config == restored.config


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("flow_bc.average_rate", "0.5", "does not change how the policy acts; leave it out"),
        ("flow_bc.steps", "0", "config.flow_bc.steps=0"),
        ("flow_bc.step", "1", "unknown configuration field config.flow_bc.step"),
        ("sac.target_rate", "0.1", "the policy is of flow_bc; give config.flow_bc.ARGUMENT"),
        ("online.arguments.steps", "1", "is of the online phase; give config.flow_bc.ARGUMENT"),
    ],
)
def test_arguments_that_change_nothing_are_refused(run, field, value, error):
    with pytest.raises(InputError, match=error) as found:
        acting.with_arguments(restore(run), {field: value})
    assert "\n" not in str(found.value)


def test_words_that_are_no_arguments_of_an_algorithm():
    assert arguments_in(["--config.flow_bc.steps=1"]) == {"flow_bc.steps": "1"}
    for word, error in {
        "--config.seeds=2": "config.seeds: evaluation reads",
        "--config.a": "no value",
    }.items():
        with pytest.raises(InputError, match=error):
            arguments_in([word])


def test_the_command_evaluates_in_other_steps(run, capsys):
    words = ["evaluate", f"--workdir={run}", "--episodes=2"]
    assert main.execute([*words, "--config.flow_bc.steps=1"]) == 0
    assert "seed 1: success rate" in capsys.readouterr().out


@pytest.fixture(scope="module")
def file(run):
    """The weights of the second seed, exported by the command."""
    path = run.parent / "tiny_flow.npz"
    assert main.execute(["export", f"--workdir={run}", f"--out={path}", "--seed=1"]) == 0
    return path


def test_a_file_of_weights_acts_as_the_run(run, file, tmp_path):
    found, restored = load_weights(file), restore(run)
    for name, leaf in by_name(restored.params).items():
        np.testing.assert_array_equal(found.parameters[name], leaf[1])
    assert {"inner/velocity/params/MLP_0/Dense_0/kernel", "mean", "deviation"} <= set(found.parameters)
    assert (found.algorithm, found.task) == ("flow_bc", TASK)
    about = found.provenance
    assert (about["seed"], about["updates"]) == (1, 20) and about["config"]["networks"] == "flow"
    np.testing.assert_allclose(greedy(weights.as_restored(found)), greedy(restored, 1), atol=1e-6)
    np.testing.assert_allclose(rq.load_weights(file)(SEEN), greedy(restored, 1), atol=1e-6)
    one = acting.with_arguments(restored, {"flow_bc.steps": "1"})
    np.testing.assert_allclose(rq.load_weights(file, arguments={"steps": 1})(SEEN), greedy(one, 1), atol=1e-6)
    half = tmp_path / "half.npz"
    main.execute(["export", f"--workdir={run}", f"--out={half}", "--float16"])
    for name, leaf in by_name(restored.params).items():
        np.testing.assert_array_equal(load_weights(half).parameters[name], np.float32(np.float16(leaf[0])))


def test_parameters_are_known_by_their_values_in_half_precision():
    found = {"b": np.array([1.5], np.float32), "a": np.array([[0.1]], np.float32)}
    text = b"a [1, 1]\n" + np.float16(0.1).tobytes() + b"b [1]\n" + np.float16(1.5).tobytes()
    assert digest_of(found) == hashlib.sha256(text).hexdigest()
    assert digest_of({name: np.float16(it) for name, it in reversed(found.items())}) == digest_of(found)
    for other in ({"b": np.array([1.25])}, {"b": np.array([[1.5]])}, {"c": np.array([1.5])}):
        assert digest_of({**found, **other}) != digest_of(found)


@pytest.fixture(scope="module")
def calibrated(run):
    """A calibration of the first seed's policy, by its file in half precision, as a dictionary."""
    half = run.parent / "half.npz"
    main.execute(["export", f"--workdir={run}", f"--out={half}", "--float16"])
    policy = calibration.policy_of(weights.as_restored(load_weights(half)))
    return {**policy, "setting": "cube-stacking", "variant": "", "gap": 0.5, "success": 0.2, "inside": True,
            "low": 0.15, "high": 0.25}  # fmt: skip


@pytest.mark.parametrize("half", [[], ["--float16"]])
def test_weights_keep_the_calibration_of_their_policy(run, calibrated, half, tmp_path, capsys):
    known, out = tmp_path / "gap.json", tmp_path / "a.npz"
    words = ["export", f"--workdir={run}", f"--out={out}", f"--calibration={known}", *half]
    known.write_text(json.dumps(calibrated))
    assert main.execute(words) == 0 and capsys.readouterr().err == ""
    assert load_weights(out).provenance["calibration"] == calibrated
    assert calibration.policy_of(restore(run)) == calibration.policy_of(
        weights.as_restored(load_weights(out))
    )
    known.write_text(json.dumps({**calibrated, "success": 0.03}))  # whatever `inside` says
    assert main.execute(words) == 0
    told = "success is 0.030 at gap 0.5000, outside the band 0.15 to 0.25; the weights are marked so."
    assert capsys.readouterr().err == f"warning: {known}: {told}\n"
    assert load_weights(out).provenance["calibration"]["inside"] is False


@pytest.mark.parametrize(
    ("changes", "flags", "error"),
    [
        ({}, ["--seed=1"], "field 'parameters' is {own}..., that of this policy is {other}...; calibrate"),
        ({"task": "dot"}, [], "field 'task' is dot, that of this policy is pointmaze-umaze; calibrate this"),
        ({"parameters": None}, [], "field 'parameters' of a calibration is missing; calibrate the policy"),
        ({"low": "0.1"}, [], "field 'low' is '0.1'"),
    ],
)
def test_the_calibration_of_another_policy_is_refused(run, file, calibrated, changes, flags, error, tmp_path):
    known = tmp_path / "gap.json"
    fields = {name: it for name, it in {**calibrated, **changes}.items() if it is not None}
    known.write_text(json.dumps(fields))
    with pytest.raises(InputError) as found:
        main.execute(["export", f"--workdir={run}", f"--out={tmp_path / 'a.npz'}", f"--calibration={known}",
                      *flags])  # fmt: skip
    other = digest_of(load_weights(file).parameters)  # of the second seed
    error = error.format(own=calibrated["parameters"][:12], other=other[:12])
    assert str(found.value).startswith(f"{known}: {error}") and "\n" not in str(found.value)
    assert list(tmp_path.iterdir()) == [known]


def test_a_calibration_that_is_not_there_and_one_of_a_policy_without_a_velocity(tmp_path, monkeypatch):
    lost = tmp_path / "lost.json"
    with pytest.raises(InputError, match=f"{lost}: no such file; check the path"):
        calibration.read(lost)
    plain = train.train(config_of_bc(), tmp_path / "plain") and tmp_path / "plain"
    with pytest.raises(InputError, match="the policy of bc integrates no velocity, and a gap is of one"):
        main.execute(["calibrate", f"--workdir={plain}", "--setting=cube-stacking"])


def test_the_command_evaluates_a_file(file, capsys, monkeypatch):
    """By its path, and by the short name of a file that the package comes with."""
    words = ["evaluate", "--episodes=2", "--config.flow_bc.steps=1"]
    monkeypatch.setattr(pretrained, "FOLDER", file.parent)
    for name in (str(file), "pretrained:tiny-flow"):
        assert main.execute([*words, f"--weights={name}"]) == 0
        assert "seed 0: success rate" in capsys.readouterr().out
    for flags, error in (
        ([f"--weights={file}", "--best"], "has no use for --best; leave one of them out"),
        (["--weights=pretrained:tiny-flaw"], "no pretrained weights have this name. Did you mean 'tiny-"),
        ([f"--weights={file}", "--task=antmaze-medium-play"],
         "the task 'pointmaze-umaze' has observations of float32[4], 'antmaze-medium-play' has"),
    ):  # fmt: skip
        with pytest.raises(InputError) as found:
            main.execute([*words, *flags])
        assert error in str(found.value) and "\n" not in str(found.value)


def begun(config, folder):
    built = build.experiment(config)
    setup = build.world(config, built, datasets.load(config, built.task)[1])
    state, told = initialize(
        config, built, loop.initial(built.plan, setup, built.layout), read_source(config, folder)
    )
    return built.layout.merge(state.agent), told


def test_a_run_begins_with_a_file(file, tmp_path):
    """The parameters and their average are those of the file, in every seed; the optimizer is new."""
    config = config_of(init_from=str(file), seeds=3)
    state, told = begun(config, tmp_path)
    found = load_weights(file)
    for params in (state.inner.actor.params, state.inner.average):
        for name, leaf in by_name(params).items():
            for seed in range(3):
                np.testing.assert_array_equal(leaf[seed], found.parameters[f"inner/{name}"])
    np.testing.assert_array_equal(state.mean[2], found.parameters["mean"])
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(state.inner.actor.opt_state))
    assert told == f"weights of {file} after 20 updates: actor, average; initialized: actor's optimizer"
    assert json.loads((tmp_path / "init_from.json").read_text())["sha256"] == found.digest


def test_another_file_in_the_place_of_the_first_is_refused(file, tmp_path):
    copy = tmp_path / "copy.npz"
    copy.write_bytes(file.read_bytes())
    config = config_of(init_from=str(copy))
    digest = read_source(config, tmp_path / "run").digest
    assert read_source(config, tmp_path / "run").digest == digest
    save_weights(load_weights(file), copy, "float16")
    words = f"its SHA-256 is .*, and .* has begun with {digest[:12]}.*; put that file back"
    with pytest.raises(InputError, match=words):
        read_source(config, tmp_path / "run")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"actor_hidden": (6,)}, r"MLP_0/Dense_0/bias has the shape \[8\] in the file and \[6\] here"),
        ({"normalize_observations": False}, "config.normalize_observations=True, this run of False"),
        (
            {"networks": "cal_ql", "algorithm": "sac"},
            "the file is of config.networks=flow, this run of cal_ql",
        ),
    ],
)
def test_what_does_not_fit_a_file_is_refused(file, changes, error, tmp_path):
    with pytest.raises(InputError, match=error) as found:
        begun(config_of(init_from=str(file), **changes), tmp_path)
    assert str(found.value).startswith(f"config.init_from={file}: ") and "\n" not in str(found.value)


def test_weights_of_another_kind_are_refused_before_data_is_loaded(file, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "load", lambda *_: pytest.fail("data was loaded"))
    for changes, words in (
        ({"normalize_observations": False}, "config.normalize_observations=True, this run of False"),
        ({"networks": "cal_ql", "algorithm": "sac"}, "config.networks=flow, this run of cal_ql"),
        ({"actor_hidden": (6,)}, "has the shape [8] in the file and [6] here"),
    ):
        with pytest.raises(InputError) as found:
            train.train(config_of(init_from=str(file), **changes), tmp_path / "run")
        assert str(found.value).startswith(f"config.init_from={file}: ") and words in str(found.value)
    assert not (tmp_path / "run" / "init_from.json").exists()


def test_a_policy_and_weights_are_told_apart(file, tmp_path):
    with pytest.raises(InputError, match="holds parameters of networks; load_weights reads them"):
        load_policy(file)
    with pytest.raises(InputError, match="no field 'kernel_0'"):
        np.savez(tmp_path / "policy.npz", kernel_0=np.zeros((2, 2)))
        load_weights(tmp_path / "policy.npz")


OTHERS = {
    "text": b"nothing of numpy's\n",
    "random": np.random.default_rng(0).bytes(1_000),
    "nothing": b"",
    "dataset": "a file of weights has no field 'observations'",
    "policy": "a file of weights has no field 'kernel_0', as a policy for numpy has; load_policy reads it",
}


@pytest.mark.parametrize("kind", OTHERS)
def test_files_of_something_else(kind, tmp_path, monkeypatch):
    """To the library, to `--weights` and to `--init-from` they are no weights, and none to write again."""
    path, why = tmp_path / "other.txt", OTHERS[kind]
    if isinstance(why, bytes):
        path.write_bytes(why)
        why = "it is not a zip file, as each .npz is"
    else:
        arrays = {"dataset": {"observations": SEEN}, "policy": {"format": 2, "kernel_0": SEEN}}
        with path.open("wb") as file:
            np.savez(file, **arrays[kind])
    words = f": is no file of weights ({why}); give one that `rankq export` has written of a flow policy."
    with pytest.raises(InputError) as found:
        load_weights(path)
    assert str(found.value) == f"{path}{words}"
    with pytest.raises(InputError) as found:
        main.execute(["evaluate", f"--weights={path}"])
    assert str(found.value) == f"--weights={path}{words}"
    with pytest.raises(InputError) as found:
        read_source(config_of(init_from=str(path)), tmp_path / "run")
    assert str(found.value) == f"{path}{words}"


def test_a_damaged_file_is_to_be_written_again(file, tmp_path):
    (tmp_path / "half.npz").write_bytes(file.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"half\.npz: fields cannot be read \(.*\); export the policy again"):
        load_weights(tmp_path / "half.npz")


def test_a_run_that_begins_with_a_file_goes_on_without_it(file, tmp_path):
    source = tmp_path / "source.npz"
    source.write_bytes(file.read_bytes())
    config = config_of(init_from=str(source), seeds=1, offline__checkpoint_every=1)
    train.train(config, tmp_path / "run")
    source.unlink()
    (tmp_path / "run" / "summary.json").unlink()
    assert train.train(config, tmp_path / "run")["updates"] == 20


WRONG = {
    "another format": ({"format": 2}, "its format is 2"),
    "no format": ({"format": None}, "field 'format' is missing"),
    "no task": ({"about": json.dumps({"algorithm": "flow_bc"})}, "field 'about' does not say 'task'"),
    "no parameters": ({"parameters/mean": None, "parameters/x": None}, "it has 0 parameters"),
    "infinite": ({"parameters/x": np.array([np.inf], np.float32)}, "'parameters/x' is not finite"),
    "whole numbers": ({"parameters/x": np.array([1])}, "'parameters/x' is not finite float16 or float32"),
    "a strange name": ({"parameters/a b": np.zeros(1, np.float32)}, "has no field 'parameters/a b'"),
    "objects": ({"parameters/x": np.array([{}])}, "declares object"),
}


@pytest.mark.parametrize(("changes", "error"), WRONG.values(), ids=WRONG.keys())
def test_files_that_hold_no_weights(changes, error, tmp_path):
    about = dict.fromkeys(("algorithm", "task", "observation", "action"), "x") | {"fields": {}}
    whole = {"format": 1, "about": json.dumps(about), "provenance": "{}",
             "parameters/x": np.zeros(3, np.float16)}  # fmt: skip
    np.savez(tmp_path / "whole.npz", **whole)
    assert load_weights(tmp_path / "whole.npz").parameters["x"].dtype == np.float32
    np.savez(tmp_path / "a.npz", **{name: it for name, it in (whole | changes).items() if it is not None})
    with pytest.raises(InputError) as found:
        load_weights(tmp_path / "a.npz")
    assert error in str(found.value) and "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"task": "gym:antigravity:Up-v0"}, "task 'gym:antigravity:Up-v0': there is none of this name here"),
        ({"algorithm": "flaw"}, "algorithm 'flaw': there is none"),
        ({"fields": {"dataset": "x"}}, "config.dataset: is no field that a policy of flow_bc is built by"),
        ({"fields": {"networks": {}}}, "config.networks"),
        ({"fields": {"actor_hidden": [10**12]}}, "config.actor_hidden"),
        ({"fields": {"flow_bc.steps": "1"}}, "config.flow_bc.steps"),
        ({"parameters": {}}, "only the networks here have a parameter"),
    ],
)
def test_what_a_file_says_is_not_trusted(file, changes, error):
    found = load_weights(file)
    fields = {**found.fields, **changes.get("fields", {})}
    with pytest.raises(InputError) as refused:
        weights.as_restored(found._replace(**{**changes, "fields": fields}))
    assert error in str(refused.value) and "\n" not in str(refused.value)


def test_numbers_that_half_precision_cannot_hold(file, tmp_path):
    found = load_weights(file)
    large = found._replace(parameters={"x": np.array([1e6], np.float32)})
    with pytest.raises(InputError, match="is not finite float16"):
        save_weights(large, tmp_path / "a.npz", "float16")
    assert not list(tmp_path.iterdir())
