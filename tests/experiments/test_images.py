"""Runs on images, offline and then online: replay in bytes, checkpoints, evaluation and exported policies."""

import shutil

import jax
import numpy as np
import pytest

from rankq_jax import configs, tasks
from rankq_jax.envs.streams import streams
from rankq_jax.errors import InputError
from rankq_jax.exporting import greedy_of
from rankq_jax.networks import EncoderSizes, encoder_of
from rankq_jax.networks.scorer import encoded_scorer, scorer
from rankq_jax.preferences import labeler, ranker
from rankq_jax.testing import environments
from rankq_jax.trained_policies import load_policy, save_policy
from rankq_jax.training import build, train, weights
from rankq_jax.training.memory import learning
from rankq_jax.training.restore import restore
from tests.faults import comparison
from tests.image_tasks import BOTH, DOT

TINY = {
    "dataset_steps": 300, "encoder_filters": (3, 3), "encoder_features": 6, "actor_hidden": (8,),
    "critic_hidden": (8,), "batch_size": 8, "evaluation_episodes": 2, "replay_capacity": 60, "train_envs": 2,
    "offline.updates": 4, "offline.updates_per_iteration": 4, "offline.updates_per_dispatch": 2,
    "online.env_steps": 96, "online.env_steps_per_iteration": 48, "online.updates_per_step": 0.05,
    "online.updates_per_dispatch": 2, "online.warmup": 0, "online.evaluate_every": 0,
    "offline.checkpoint_every": 1, "online.checkpoint_every": 1, "keep_checkpoints": 9,
    "keep_best_checkpoints": 0,
}  # fmt: skip
CASES = {
    "rankq": (BOTH, {"encoder_training": "shared"}),
    "iql": (DOT, {}),
    "td3_bc": (BOTH, {"normalize_observations": True}),
    "rlpd": (DOT, {"critics": 3, "rlpd.critic_updates": 2, "offline.updates": 0}),  # as it is published
}
STOPPED = ("rankq", "iql")  # resuming compiles most of a run again


@pytest.fixture(scope="module", autouse=True)
def known():
    """The tasks in the registry."""
    with pytest.MonkeyPatch.context() as patch:
        for task in (DOT, BOTH):
            patch.setitem(tasks.TASKS, task.name, task)
        yield


def config_of(algorithm, **changes):
    task, own = CASES[algorithm]
    config = configs.get_config(f"{task.name},smoke", algorithm)
    own = {name.replace("__", "."): value for name, value in {**own, **changes}.items()}
    config.update_from_flattened_dict({**TINY, **own})
    return configs.parse(config)


@pytest.mark.parametrize("task", [DOT, BOTH], ids=lambda task: task.name)
def test_the_environments_keep_the_contract(task):
    environments.check_environment(task)


def check_resuming(algorithm, folder, stopped):
    """A copy of the run, as it was after its first round online, ends like it bit for bit."""
    shutil.copytree(folder, stopped)
    checkpoints = sorted((stopped / "checkpoints").glob("[0-9]*"), key=lambda path: int(path.name))
    shutil.rmtree(checkpoints[-1])
    (stopped / "summary.json").unlink()
    train.train(config_of(algorithm), stopped)
    assert comparison.compare(folder, stopped).mismatches == []


@pytest.mark.parametrize("algorithm", CASES)
def test_a_run_trains_goes_on_and_is_exported(algorithm, tmp_path):
    task, folder = CASES[algorithm][0], tmp_path / "run"
    summary = train.train(config_of(algorithm), folder)
    assert summary["env_steps"] == 96 and 0.0 <= summary["final_success_rate"][0] <= 1.0
    segments = sorted((folder / "checkpoints" / "replay").glob("rows-*.npz"))
    with np.load(segments[-1]) as rows:
        kinds = {(rows[name].dtype, rows[name].shape[1:]) for name in rows.files}
    assert (np.dtype(np.uint8), (24, 24, 3)) in kinds
    assert not [shape for kind, shape in kinds if len(shape) == 3 and kind != np.uint8]

    if algorithm in STOPPED:
        check_resuming(algorithm, folder, tmp_path / "stopped")

    restored = restore(folder, exact=True)
    exported = weights.export(restored, folder)
    save_policy(exported, tmp_path / "policy.npz")
    seen = task.environment(50, 1).reset(streams(3, 50)).observation
    found = load_policy(tmp_path / "policy.npz")(seen)
    np.testing.assert_allclose(found, greedy_of(restored.agent, restored.params, 1, 0)(seen), atol=1e-4)
    record = (folder / "evaluations.jsonl").read_text().splitlines()[-1]
    assert len(record) < 500  # no image in it
    if algorithm == "rankq":
        state = comparison.leaves(comparison.newest(folder))
        convolution = "['encoder']['params']['encoders_image']['convolution_0_stride_2']['kernel']"
        ours, theirs = ([x for name, x in state.items() if name.endswith(f"{part}{convolution}")]
                        for part in ("['actor']['params']", "['critic']['params']"))  # fmt: skip
        np.testing.assert_array_equal(ours, theirs)
        assert ours


def test_questions_about_images_are_asked_and_learned_from(tmp_path):
    data = build.example(config_of("rankq"), BOTH)
    rows = jax.tree.map(lambda leaf: np.repeat(leaf, 12, axis=0), data)
    encoder = encoder_of(BOTH.spec.observation, "auto", EncoderSizes((2, 2), 3))
    learner = ranker(encoded_scorer(scorer((4,), 0.0), encoder), batch_size=4, epochs=1)
    told = []

    def oracle(observation, first, second):
        told.append(observation["image"].dtype)
        return np.ones(len(first), bool)

    asks = labeler(oracle, learner, questions=4, rounds=(1,))
    keys = jax.random.split(jax.random.key(0), 1)
    known = asks.init(keys, rows)

    def mode(params, observation, keys, t):
        return np.full((1, observation["image"].shape[1], 2), 0.5, np.float32)

    known, metrics = asks.relabel(known, mode, None, rows, keys)
    assert metrics["preferences/queries"] == [4] and told == [np.uint8]
    np.testing.assert_array_equal(known.preferred[0][known.asked[0]], 0.0)  # the recorded action won


def test_a_shared_encoder_without_a_critic_is_refused_by_its_field():
    config = configs.get_config("dot,smoke", "bc")
    config.update_from_flattened_dict({**TINY, "online.env_steps": 0, "encoder_training": "shared"})
    with pytest.raises(InputError, match=r"config\.encoder_training=shared: .* trained by the critic"):
        build.experiment(configs.parse(config), jax.local_devices()[:1])


def test_fields_of_encoders_are_refused_where_observations_are_vectors():
    for field, value in (("encoder_training", "shared"), ("encoder_features", "8")):
        with pytest.raises(InputError, match=f"config.{field}: is not read: observations of pointmaze-umaze"):
            configs.read(["--config=iql:pointmaze-umaze,smoke", f"--config.{field}={value}"])
    config = configs.read(["--config=iql:pointmaze-umaze,smoke", "--config.encoder=cnn"]).config
    with pytest.raises(InputError, match="for images"):
        build.experiment(config, jax.local_devices()[:1])


def test_the_estimate_of_memory_counts_bytes_of_images():
    built = build.experiment(config_of("iql"), jax.local_devices()[:1])
    parts = {part.what: part.size for part in learning(config_of("iql"), built)}
    image, numbers = (
        24 * 24 * 3,
        2 + 1 + 1 + 1 + 1 + 2,
    )  # action, reward, discount, success, return, next action
    assert parts["replay buffers"] == 60 * (2 * image + 4 * numbers)
    assert parts["a batch"] >= 8 * (2 * image + 4 * numbers) + 8 * 2 * image * 4  # and scaled to float32
