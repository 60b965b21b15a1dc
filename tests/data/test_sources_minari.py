"""Minari datasets of others: folders, dictionaries, simulator states, downloads, and what goes wrong."""

import json
import os
import shutil
import socket
import sys
from pathlib import Path

import h5py
import minari
import numpy as np
import pytest

from rankq_jax.data import sources
from rankq_jax.data.sources import remote
from rankq_jax.data.sources.minari import dataset_folder, exists, gather, load_minari
from rankq_jax.data.sources.minari_metadata import read_world
from rankq_jax.errors import InputError
from tests.data import recordings


@pytest.fixture(scope="module")
def walks():
    def infos(observation):
        return {"qpos": np.repeat(observation, 2, axis=1).astype(np.float64), "other": observation}

    return recordings.write_minari("local/walks-v0", dictionary=True, infos=infos)


@pytest.fixture
def spoiled(walks, tmp_path):
    """A copy as a folder anywhere, its HDF5 file and its metadata."""
    folder = tmp_path / "copy"
    shutil.copytree(dataset_folder(walks), folder)
    return folder, folder / "data" / "main_data.hdf5", folder / "data" / "metadata.json"


@pytest.mark.parametrize("part", [".", "data"])
def test_a_folder_is_a_dataset(walks, spoiled, part):
    folder = spoiled[0] / part
    here, there = sources.load(str(folder)), sources.load(walks)
    for field in ("observation", "next_observation", "action", "reward", "success"):
        np.testing.assert_array_equal(getattr(here, field), getattr(there, field))
    assert sources.origin(str(folder)) == str(folder)
    assert sources.origin(walks) == str(dataset_folder(walks))


@pytest.mark.parametrize(("size", "columns"), [(None, [1]), (1, [1]), (2, [0, 1]), (3, [1])])
def test_the_achieved_goal_completes_an_observation_of_just_that_size(walks, size, columns):
    whole = recordings.own()["observations"]
    np.testing.assert_array_equal(sources.load(walks, size).observation, whole[:, columns])


def test_simulator_states_are_those_before_each_step(walks):
    assert sources.load(walks, 2).info == {}
    info = sources.load(walks, 2, simulator_state=True).info
    assert list(info) == ["qpos"]
    np.testing.assert_array_equal(info["qpos"], np.repeat(recordings.own()["observations"], 2, axis=1))
    own = recordings.save(dataset_folder(walks).parent / "own.npz", recordings.own())
    assert sources.load(f"{walks},{own}", 2, simulator_state=True).info == {}  # only what both have


def test_parts_are_gathered_whatever_room_was_expected():
    parts = [recordings_episode(rows) for rows in (3, 1, 6)]
    for capacity in (0, 4, 10, 1000):
        joined = gather(iter(parts), capacity)
        np.testing.assert_array_equal(joined.reward, np.concatenate([part.reward for part in parts]))
        np.testing.assert_array_equal(joined.info["qpos"], np.concatenate([p.info["qpos"] for p in parts]))
    assert gather(iter([]), 5) is None


def recordings_episode(rows):
    values = np.arange(float(rows)) + 10 * rows
    return sources.Episodes(
        *(values[:, None], values[:, None], values, values[:, None]),
        *(values > 0, values > 0, values > 0, values.astype(int)),
        {"qpos": values[:, None]},
    )


def test_no_environment_is_made_to_read_a_dataset(spoiled, tmp_path):
    """Without spaces in its metadata Minari makes the environment that the file names, whatever that is."""
    folder, _, metadata = spoiled
    content = json.loads(metadata.read_text())
    del content["observation_space"]
    spec = {"id": "Evil-v0", "entry_point": "os:mkdir", "kwargs": {"path": str(tmp_path / "made")}}
    content["env_spec"] = json.dumps({**spec, "additional_wrappers": []})
    metadata.write_text(json.dumps(content))
    with pytest.raises(InputError, match=rf"{folder}: field 'observation_space' is missing"):
        load_minari(str(folder))
    assert not (tmp_path / "made").exists()


def replace(key, change):
    """A spoiler of one array of an episode."""

    def spoil(episode):
        array = episode[key][()]
        del episode[key]
        episode[key] = change(array)

    return spoil


def remove(key):
    return lambda episode: episode.pop(key)


def empty(episode):
    for key in ("rewards", "actions", "terminations", "truncations", "infos/success", "infos/qpos"):
        replace(key, lambda array: array[:0])(episode)
    for key in ("achieved_goal", "observation"):
        replace(f"observations/{key}", lambda array: array[:1])(episode)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (remove("rewards"), "cannot be read from episode index 2 on"),
        (replace("rewards", lambda x: x[:-1]), "episode 2: field 'observations' ends at index 2"),
        (replace("rewards", lambda x: x.astype("S3")), "episode 2: field 'rewards' has dtype"),
        (replace("terminations", lambda x: x + 2), "episode 2: field 'terminations' is 2 at index 0"),
        (replace("actions", lambda x: x.astype(int)), "episode 2: field 'actions' has dtype int64"),
        (replace("actions", lambda x: x.T), "episode 2: field 'actions' ends at index 1, .*swap its axes"),
        (replace("actions", lambda x: x.astype(float)), "episode 2: .*dtype float64 per step from index 0"),
        (
            remove("observations/observation"),
            r"episode 2: field 'observations' has several entries: achieved_goal \(1\), desired",
        ),
        (
            replace("observations/achieved_goal", lambda x: x[:2]),
            "episode 2: .*/achieved_goal' ends at index 2",
        ),
        (remove("infos/qpos"), "episode 2: field 'infos' .* index 0"),
        (replace("infos/success", lambda x: x[:-2]), "episode 2: field 'infos/success' ends at index 2"),
        (
            replace("infos/success", lambda x: x * 0.5 + 0.5),
            "episode 2: field 'infos/success' is 0.5 at index 0",
        ),
        (empty, "episode 2: field 'rewards' has no step"),
    ],
)
def test_a_spoiled_episode(spoiled, spoil, words):
    folder, data, _ = spoiled
    with h5py.File(data, "a") as file:
        spoil(file["episode_2"])
    with pytest.raises(InputError, match=f"^{folder}: .*{words}"):
        load_minari(str(folder), 2, simulator_state=True)


def test_no_episodes(spoiled):
    folder, _, metadata = spoiled
    metadata.write_text(json.dumps({**json.loads(metadata.read_text()), "total_episodes": 0}))
    with pytest.raises(InputError, match=f"{folder}: field 'episodes' is empty"):
        load_minari(str(folder))


@pytest.mark.parametrize("total", [1, None, 10**18, "many"])
def test_a_wrong_number_of_steps_does_no_harm(spoiled, walks, total):
    folder, _, metadata = spoiled
    metadata.write_text(json.dumps({**json.loads(metadata.read_text()), "total_steps": total}))
    if total in (1, None):
        np.testing.assert_array_equal(load_minari(str(folder)).action, load_minari(walks).action)
    else:
        with pytest.raises(InputError, match=f"{folder}: field 'total_steps' "):
            load_minari(str(folder))


@pytest.mark.parametrize("total", [6, 10**12, -1, None, "many", 1.5])
def test_more_episodes_than_there_are(spoiled, total):
    folder, _, metadata = spoiled
    metadata.write_text(json.dumps({**json.loads(metadata.read_text()), "total_episodes": total}))
    with pytest.raises(InputError, match=f"{folder}: field 'total_episodes' is .*, the file holds 5; "):
        load_minari(str(folder))


def test_metadata_of_another_kind(spoiled):
    folder, _, metadata = spoiled
    before = json.loads(metadata.read_text())
    for change, words in (
        (json.dumps({**before, "data_format": "csv"}), "field 'data_format' is unknown"),
        (json.dumps([before]), "field 'metadata.json' is no dictionary"),
        (json.dumps({**before, "description": "x" * 5_000_000}), r"field 'metadata.json' has 5\d* bytes"),
        ("[" * 100_000, "cannot be read"),
    ):
        metadata.write_text(change)
        with pytest.raises(InputError, match=f"^{folder}: .*{words}"):
            load_minari(str(folder))


@pytest.mark.parametrize("layout", ["arrow", "parquet"])
def test_a_layout_whose_package_is_missing(spoiled, monkeypatch, layout):
    folder, _, metadata = spoiled
    metadata.write_text(json.dumps({**json.loads(metadata.read_text()), "data_format": layout}))
    monkeypatch.setattr("rankq_jax.data.sources.packages.find_spec", lambda name: None)
    with pytest.raises(
        InputError, match=rf"is '{layout}', which needs the package pyarrow; install it by"
    ) as e:
        load_minari(str(folder))
    assert "delete" not in str(e.value)


def test_an_empty_root(monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", "")
    with pytest.raises(InputError, match=r"^MINARI_DATASETS_PATH: is set to nothing; set it to a folder"):
        sources.load("some/name-v0")


def test_a_root_that_is_a_file(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "file" / "root"))
    with pytest.raises(InputError, match="file/root: Minari's folder cannot be made"):
        sources.load("some/name-v0")


@pytest.fixture
def online(monkeypatch):
    """A network that answers, whatever it is used for."""
    monkeypatch.setattr(remote, "_check_connection", lambda: None)
    return monkeypatch


def left_over(root):
    return [path for path in root.rglob("*") if "unfinished" in path.name or "remote" in path.name]


def test_a_dataset_is_downloaded_whole(online, walks, minari_root, capsys):
    def download(dataset_id):
        print("downloading")
        root = Path(os.environ["MINARI_DATASETS_PATH"])
        assert root != minari_root
        shutil.copytree(minari_root / walks, root / dataset_id)
        (root / "others" / "namespace_metadata.json").write_text("{}")

    online.setattr(minari, "download_dataset", download)
    assert not exists("others/walks-v3")
    read = sources.load("others/walks-v3")
    np.testing.assert_array_equal(read.action, sources.load(walks).action)
    assert exists("others/walks-v3") and (minari_root / "others" / "namespace_metadata.json").exists()
    assert capsys.readouterr().out == ""
    online.setattr(minari, "download_dataset", None)
    np.testing.assert_array_equal(sources.load("others/walks-v3").action, read.action)  # local from now on


@pytest.mark.parametrize("error", [ValueError("no version\nof it"), KeyboardInterrupt()])
def test_an_interrupted_download_leaves_nothing(online, minari_root, error):
    def download(dataset_id):
        (Path(os.environ["MINARI_DATASETS_PATH"]) / dataset_id / "data").mkdir(parents=True)
        raise error

    online.setattr(minari, "download_dataset", download)
    with pytest.raises((InputError, KeyboardInterrupt)) as raised:
        sources.load("remote/half-v0")
    assert left_over(minari_root) == []
    if isinstance(error, ValueError):
        assert str(raised.value) == (
            f"remote/half-v0: no such dataset below {minari_root}, and downloading it through Minari failed: "
            "no version of it"
        )


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.delitem(sys.modules, "minari.storage.remotes.huggingface", raising=False)
    monkeypatch.delenv("MINARI_REMOTE", raising=False)
    with pytest.raises(InputError, match=r'D4RL/none/at-all-v2: no such .*pip install "minari\[hf\]"'):
        sources.load("D4RL/none/at-all-v2")


def test_without_a_network_the_answer_comes_at_once(monkeypatch):
    def unreachable(address, timeout):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.delenv("MINARI_REMOTE", raising=False)
    monkeypatch.setattr(remote, "find_spec", lambda name: name)  # as if it were installed
    monkeypatch.setattr(remote.urllib.request, "getproxies", dict)
    monkeypatch.setattr(remote.socket, "create_connection", unreachable)
    monkeypatch.setattr(minari, "download_dataset", None)
    with pytest.raises(InputError, match=r"failed: huggingface.co cannot be reached \(Name or service"):
        sources.load("some/name-v0")
    # behind a proxy only the proxy knows, and other services have other addresses
    monkeypatch.setattr(remote.urllib.request, "getproxies", lambda: {"https": "proxy"})
    with pytest.raises(InputError, match="'NoneType' object is not callable"):
        sources.load("some/name-v0")


def test_a_dataset_of_this_project_can_be_made(online):
    online.setattr(minari, "download_dataset", None)
    with pytest.raises(InputError, match=r"make one by `rankq dataset make --task=ant-medium`"):
        sources.load("ant-medium/waypoints-1k-seed0-v0")


@pytest.mark.parametrize("name", ["walks.csv", "no-version", "../above-v0", "a,,b-v0", ""])
def test_names_that_are_none(name):
    with pytest.raises(InputError, match=r"names nothing|no such dataset; give a file"):
        sources.load(name)


def test_sources_of_different_tasks(walks, tmp_path):
    own = recordings.save(tmp_path / "own.npz", recordings.own())
    with pytest.raises(InputError, match=rf"{own}: field 'observation' has 2 values .*walks-v0 has 1"):
        sources.load(f"{walks},{own}")


def test_a_world_that_is_no_dictionary(tmp_path):
    (tmp_path / "metadata.json").write_text('{"world": [1, 2]}')
    with pytest.raises(InputError, match=r"x: field 'world' is \[1, 2\], no dictionary"):
        read_world(Path("x"), tmp_path)
    (tmp_path / "metadata.json").write_text("{}")
    assert read_world(Path("x"), tmp_path) == {}
