"""A dataset on disk trains as the same dataset in memory, bit for bit, and is made once."""

import json

import jax
import numpy as np
import pytest

import rankq_jax as rq
from rankq_jax import configs
from rankq_jax.data import mixture, stored
from rankq_jax.data.sources import minari
from rankq_jax.loop import disk
from rankq_jax.tasks import stored_data, training_data

TASK = rq.make_task("pointmaze-umaze")


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """Two files of recorded episodes."""
    folder = tmp_path_factory.mktemp("recorded")
    paths = []
    for seed in range(2):
        episodes = TASK.generators["waypoints"].make(1_500, seed, 1, lambda steps: None)
        paths.append(folder / f"part{seed}.npz")
        np.savez(
            paths[-1], observations=episodes.observation, actions=episodes.action, rewards=episodes.reward,
            next_observations=episodes.next_observation, terminals=episodes.terminated,
            timeouts=episodes.truncated,
        )  # fmt: skip
    return ",".join(map(str, paths))


@pytest.fixture(scope="module")
def datasets(names):
    arguments = (TASK, names, TASK.transform, 0.99)
    return training_data.described(*arguments), stored_data.described(*arguments)


def test_the_rows_are_those_of_the_dataset_in_memory(datasets):
    (memory, said), (on_disk, told) = datasets
    assert disk.on_disk(on_disk) and not disk.on_disk(memory)
    jax.tree.map(np.testing.assert_array_equal, on_disk, memory)
    assert jax.tree.map(lambda x: x.dtype, on_disk) == jax.tree.map(lambda x: x.dtype, memory)
    assert told._replace(share=0) == said._replace(share=0) and told.share == pytest.approx(said.share)


@pytest.mark.parametrize("draw", [mixture.uniform, mixture.merged], ids=["uniform", "merged"])
def test_training_is_that_of_the_dataset_in_memory(datasets, draw):
    agent = rq.agents.td3_bc(rq.networks.td3(TASK.spec, hidden=(16,)), rq.Optimizers.adam(1e-3))
    plan = rq.offline_to_online(
        agent, offline_updates=60, env_steps=800, updates_per_iteration=30, env_steps_per_iteration=400,
        updates_per_dispatch=10, updates_per_step=0.05, batch_size=32, draw=draw, warmup=400,
        diagnostics_every=20,
    )  # fmt: skip

    def trained(data):
        run = rq.Run(plan, TASK, data, seeds=[0, 1, 2], evaluation_episodes=1)
        seen = [event.metrics for event in run if isinstance(event, rq.Evaluated | rq.Updated)]
        return run.state.agent, seen

    memory, on_disk = (trained(data) for data, _ in datasets)
    jax.tree.map(np.testing.assert_array_equal, on_disk, memory)
    assert sum("diagnostics/q_data" in metrics for metrics in on_disk[1]) == 4  # at 20, 40, 60 and 80 updates


def test_rows_are_read_in_any_order_and_more_than_once(datasets):
    (memory, _), (on_disk, _) = datasets
    rows = np.random.default_rng(0).integers(0, len(memory.reward), (3, 2, 4, 5))
    rows[0, 0, 0] = 7
    for window, index in zip(disk.read_ahead(on_disk, rows), rows, strict=True):
        expected = jax.tree.map(lambda leaf, i=index: leaf[i], memory)
        jax.tree.map(np.testing.assert_array_equal, window, expected)


def test_a_reader_that_fails_ends_the_run(datasets):
    with pytest.raises(IndexError):
        list(disk.read_ahead(datasets[1][0], np.full((2, 1, 1, 1), 10**9)))


def test_it_is_made_once_and_again_when_a_file_changes(names, monkeypatch):
    def refused(*arguments):
        raise AssertionError("made again")

    monkeypatch.setattr(stored, "write", refused)
    stored_data.described(TASK, names, TASK.transform, 0.99)  # made by the fixture or before
    path = names.split(",")[0]
    content = dict(np.load(path))
    np.savez(path, **content)
    with pytest.raises(AssertionError, match="made again"):
        stored_data.described(TASK, names, TASK.transform, 0.99)


def test_an_unfinished_or_cut_folder_is_not_taken(tmp_path):
    part = rq.load_dataset(TASK, TASK.generators["waypoints"].make(600, 0, 1, lambda steps: None))
    stored.write([part], tmp_path, lambda: {"a": 1})
    assert stored.read_about(tmp_path) == {"a": 1}
    with (tmp_path / "00.bin").open("ab") as file:
        file.truncate(8)
    with pytest.raises(rq.InputError, match=r"00\.bin: does not have the \d+ bytes that index\.json says"):
        stored.read(tmp_path)
    (tmp_path / "index.json").unlink()
    assert stored.read_about(tmp_path) is None


def test_the_command_trains_from_disk_as_from_memory(tmp_path):
    words = ["--config=cal_ql:pointmaze-umaze,smoke", "--config.seeds=2"]
    for place in ("memory", "disk"):
        rq.train([*words, f"--config.dataset_storage={place}"], tmp_path / place)
    records = [
        [
            {name: value for name, value in json.loads(line).items() if name != "seconds"}
            for line in (tmp_path / place / "metrics.jsonl").read_text().splitlines()
        ]
        for place in ("memory", "disk")
    ]
    assert records[0] == records[1] and records[0]


@pytest.mark.parametrize(
    "words", [["--config.keep_best=0.5"], ["--config.parallel=batch"], ["--config.offline.updates=0",
              "--config.online.mixing_ratio=0"]], ids=lambda words: words[0]
)  # fmt: skip
def test_what_needs_the_rows_in_memory_says_so(words):
    arguments = ["--config=cal_ql:pointmaze-umaze,smoke", "--config.dataset_storage=disk", *words]
    with pytest.raises(rq.InputError, match=r"has no use for a dataset on disk; set config\.dataset_storage"):
        configs.read(arguments)


def test_labels_that_one_algorithm_can_do_without_are_not_given_to_another(names):
    """A dense task takes data without labels of success for IQL only, whatever was made before."""
    dense = TASK._replace(name="dense-maze", success=None, rewards=(0.0, 0.0))
    stored_data.described(dense, names, TASK.transform, 0.99, needs_success=False)
    with pytest.raises(rq.InputError, match="success"):
        stored_data.described(dense, names, TASK.transform, 0.99, needs_success=True)


def test_what_is_downloaded_is_known_by_its_files(tmp_path, monkeypatch):
    """A Minari name is downloaded before its files are looked at."""
    place = tmp_path / "own" / "set-v0"
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))

    def download(dataset):
        (place / "data").mkdir(parents=True)
        (place / "data" / "main_data.hdf5").write_bytes(b"first")

    looked = []
    monkeypatch.setattr(minari, "download", download)
    monkeypatch.setattr(stored, "read_about", lambda folder: looked.append(folder) or {"returns": (0, 0)})
    monkeypatch.setattr(stored, "read", lambda folder: folder)
    monkeypatch.setattr(stored_data, "Summary", lambda **about: about)
    first, _ = stored_data.described(TASK, "own/set-v0", TASK.transform, 0.99)
    assert place.is_dir() and stored_data.described(TASK, "own/set-v0", TASK.transform, 0.99)[0] == first
    (place / "data" / "main_data.hdf5").write_bytes(b"another")
    assert stored_data.described(TASK, "own/set-v0", TASK.transform, 0.99)[0] != first
