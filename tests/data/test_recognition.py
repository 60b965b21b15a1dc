"""Datasets are known by what is in them, whatever they are called and wherever they lie."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from rankq_jax import configs, tasks
from rankq_jax.cli.convert_dataset import convert
from rankq_jax.cli.main import execute
from rankq_jax.data import sources
from rankq_jax.data.sources.minari import dataset_folder
from rankq_jax.errors import InputError
from rankq_jax.library import load_dataset
from rankq_jax.tasks import training_data
from rankq_jax.training import datasets
from tests.data import recordings
from tests.data.test_sources_formats import check_as_training_data
from tests.fuzz import recorded

CASES = Path(__file__).resolve().parents[2] / "../shared/cases"
MAZE = tasks.find("pointmaze-umaze")


@pytest.fixture(scope="module")
def walks():
    return recordings.write_minari("known/walks-v0")


@pytest.fixture
def npz(tmp_path):
    return recordings.save(tmp_path / "own.npz", recordings.own())


@pytest.mark.parametrize(
    "name", ["own", "own.dat", "own.v2.hdf5", "own.pkl", "a, b.npz", "with space .h5", "ä"]
)
def test_a_file_may_have_any_name(tmp_path, npz, name):
    path = tmp_path / name
    shutil.copy(npz, path)
    check_as_training_data(sources.load(str(path)))
    hdf5 = recordings.save(tmp_path / "own.hdf5", recordings.own())
    shutil.copy(hdf5, path)
    check_as_training_data(sources.load(str(path)))
    assert sources.origin(str(path)) == str(path)


def test_commas_within_names_and_between_them(tmp_path, npz, walks):
    (tmp_path / "a,b").mkdir()
    path = shutil.copy(npz, tmp_path / "a,b" / "1, 2.npz")
    assert sources.names(f"{path}") == [str(path)]
    assert sources.names(f"{npz},{path} , {walks},{path}") == [str(npz), str(path), walks, str(path)]
    assert len(sources.load(f"{path},{walks}").reward) == 30
    assert sources.names("a-v0,b.npz") == ["a-v0", "b.npz"]


def test_the_home_folder(tmp_path, npz, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    check_as_training_data(sources.load("~/own.npz"))
    assert sources.origin("~/own.npz") == str(npz)
    with pytest.raises(InputError, match=r"^~no-such-user-here/own.npz: no such file; check the path"):
        sources.load("~no-such-user-here/own.npz")


def test_a_pickle_is_read_wherever_arrays_are(tmp_path):
    observation, action, reward, _ = recordings.episodes()[0]
    walk = {"observations": observation[:-1], "next_observations": observation[1:]}
    walk |= {"actions": action, "rewards": reward}
    for name in ("walk.pickle", "walk.npz", "walk"):
        (tmp_path / name).write_bytes(pickle.dumps([walk]))
        read = sources.load(str(tmp_path / name))
        np.testing.assert_array_equal(read.observation, observation[:-1])
        np.testing.assert_array_equal(read.reward, reward)


@pytest.mark.parametrize("part", ["data/main_data.hdf5", "data/metadata.json", "data/other"])
def test_a_part_of_a_minari_dataset_names_its_whole(tmp_path, walks, part):
    folder = dataset_folder(walks)
    (folder / "data" / "other").mkdir(exist_ok=True)
    with pytest.raises(InputError) as raised:
        sources.load(str(folder / part))
    assert str(raised.value) == (
        f"{folder / part}: is a part of a Minari dataset; give its folder {folder} or by its name {walks}."
    )
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    with pytest.raises(InputError, match=rf"{copy / part}: is a part .*; give its folder {copy}\.$"):
        sources.load(str(copy / part))
    shutil.copy(folder / "data" / "main_data.hdf5", tmp_path / "alone.hdf5")
    with pytest.raises(InputError, match=r"alone\.hdf5: is a part of a Minari dataset; give its folder"):
        sources.load(str(tmp_path / "alone.hdf5"))
    assert len(sources.load(str(folder / "data")).reward) == 15


def test_a_folder_of_datasets_names_them(tmp_path, walks, npz):
    folder = dataset_folder(walks)
    with pytest.raises(InputError, match=rf"is no dataset itself; give one that lies in it: .*{folder}"):
        sources.load(str(folder.parent))
    with pytest.raises(InputError, match=rf"^{tmp_path}: is no dataset itself; .*: {npz}\.$"):
        sources.load(str(tmp_path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: this folder holds no dataset; give "):
        sources.load(str(tmp_path / "empty"))


def test_a_folder_that_is_called_like_a_dataset(tmp_path, walks, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(walks).mkdir(parents=True)  # as a workdir may be
    assert len(sources.load(walks).reward) == 15


@pytest.mark.parametrize(
    "content", [b"", b"text", b"\x00" * 100, b"PAR1", b"\x7fELF", b"{}", b"[1]", b"a: b"]
)
def test_a_file_that_is_there_is_never_missing(tmp_path, content):
    (tmp_path / "some file").write_bytes(content)
    with pytest.raises(InputError) as raised:
        sources.load(str(tmp_path / "some file"))
    assert str(raised.value).startswith(f"{tmp_path / 'some file'}: ") and "\n" not in str(raised.value)
    assert "no such" not in str(raised.value)


def outside(action):
    """`[N]` bool, and the words of the refusal."""
    beyond = (np.abs(action) > 1).any(axis=1)
    share, largest = f"{100 * beyond.mean():.3g} %", f"{np.abs(action).max():.6g}"
    return beyond, rf"outside \[-1, 1\] in {share} of the rows, the largest is {largest}, first at"


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not there")
def test_demonstrations_with_actions_beyond_the_limits_are_converted_when_clipped(tmp_path, capsys):
    path = CASES / "dapg_like_actions_beyond_one.pickle"
    found = pickle.loads(path.read_bytes())
    action = np.concatenate([each["actions"][:-1] for each in found])
    beyond, words = outside(action)
    with pytest.raises(InputError, match=words) as raised:
        convert(str(path), tmp_path / "door.npz", None, None, None)
    assert "rescale" not in str(raised.value) and "clip_actions" in str(raised.value)
    convert(str(path), tmp_path / "door.npz", None, None, None, clip_actions=True)
    assert capsys.readouterr().out == f"{path}: actions of {beyond.sum()} rows clipped\n"
    with np.load(tmp_path / "door.npz") as written:
        np.testing.assert_array_equal(written["actions"], np.clip(action, -1, 1))


def test_actions_beyond_the_limits_are_clipped_when_asked_for(tmp_path):
    truth = recorded.record(np.random.default_rng(1), "pointmaze-umaze")
    arrays = recorded.flat(truth, "pointmaze-umaze", "next")
    arrays["actions"] = action = 1.5 * arrays["actions"]
    path = recordings.save(tmp_path / "maze.npz", arrays)
    beyond, words = outside(action)
    with pytest.raises(InputError, match=words):
        load_dataset(MAZE, path, reading="rlpd")
    data, summary = training_data.described(
        MAZE, str(path), MAZE.transform, 0.99, reading="rlpd", clip_actions=True
    )
    wanted = np.clip(action, -0.99999, 0.99999).astype(np.float32)
    np.testing.assert_array_equal(data.action, wanted[: len(data.action)])
    assert summary.clipped == beyond.sum()
    assert str(summary).endswith(f"; actions of {beyond.sum()} recorded rows clipped")
    for dataset in (path, arrays):
        data = load_dataset(MAZE, dataset, reading="rlpd", clip_actions=True)
        np.testing.assert_array_equal(data.action, wanted[: len(data.action)])


def test_damaged_actions_are_not_clipped(tmp_path):
    for bad in (np.nan, np.inf, -np.inf):
        arrays = recordings.own()
        arrays["actions"][2] = bad
        path = recordings.save(tmp_path / f"{bad}.npz", arrays)
        with pytest.raises(InputError, match="field 'action' is NaN or infinite at episode 0, index 2"):
            convert(str(path), tmp_path / "new.npz", None, None, None, clip_actions=True)


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not there")
def test_the_cases_load():
    for name, rows in (("ogbench_singletask.npz", 12_000), ("robomimic_layout.hdf5", 1_500)):
        path = str(CASES / name)
        assert len(sources.load(path).reward) == rows
        assert len(load_dataset(MAZE, path).reward) > rows // 2


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not there")
@pytest.mark.parametrize("package", [True, False])
def test_a_minari_dataset_in_arrow_whose_file_is_hdf5(monkeypatch, package):
    monkeypatch.setattr("rankq_jax.data.sources.packages.find_spec", lambda name: package or None)
    with pytest.raises(InputError) as raised:
        sources.load(str(CASES / "minari_arrow"))
    line = str(raised.value)
    assert "\n" not in line and "delete" not in line and "damaged" not in line
    if package:
        assert "field 'data_format' is 'arrow', but main_data.hdf5 lies there; set it to 'hdf5'" in line
    else:
        assert "needs the package pyarrow; install it by `pip install pyarrow`" in line


def named_with_large_actions(folder):
    """A file of the maze, its observations by name and its actions beyond the limits; and its arrays."""
    truth = recorded.record(np.random.default_rng(1), "pointmaze-umaze")
    arrays = recorded.flat(truth, "pointmaze-umaze", "next")
    arrays["actions"] = 1.5 * arrays["actions"]
    stored = {key: array for key, array in arrays.items() if "observations" not in key}
    for key in ("observations", "next_observations"):
        stored |= {f"{key}/place": arrays[key][:, :2], f"{key}/speed": arrays[key][:, 2:]}
    return recordings.save(folder / "maze, named.npz", stored), arrays


def test_a_run_is_told_names_and_clipping_by_its_configuration(tmp_path):
    path, arrays = named_with_large_actions(tmp_path)
    words = ["--config=iql:pointmaze-umaze,smoke", f"--config.dataset={path}"]
    words += ["--config.dataset_keys=place+speed", "--config.clip_actions=True"]
    config = configs.read([*words, "--config.dataset_reading=rlpd"]).config
    assert config.to_dict()["clip_actions"] is True and config.to_dict()["dataset_keys"] == "place+speed"
    _, data, summary = datasets.load(config, MAZE)
    np.testing.assert_array_equal(data.observation, arrays["observations"][: len(data.observation)])
    assert summary.clipped == outside(arrays["actions"])[0].sum()


def test_the_commands_have_flags_for_names_and_clipping(tmp_path, capsys):
    path, arrays = named_with_large_actions(tmp_path)
    how = ["--keys=place+speed", "--clip-actions"]
    execute(["dataset", "convert", f"--from={path}", f"--to={tmp_path / 'new.npz'}", *how])
    with np.load(tmp_path / "new.npz") as written:
        np.testing.assert_array_equal(written["observations"], arrays["observations"])
        np.testing.assert_array_equal(written["actions"], np.clip(arrays["actions"], -1, 1))
    capsys.readouterr()
    for command in ("readings", "inspect"):
        execute(["dataset", command, "--task=pointmaze-umaze", f"--dataset={path}", *how])
    out = capsys.readouterr().out
    rows = len(arrays["actions"])
    assert f"| recorded | {rows} |" in out or f"{rows} transitions" in out
    assert "largest |a| = 1 " in out and "4 and 2 numbers per step" in out
    with pytest.raises(InputError, match=r"several entries: place \(2\), speed \(2\); .*keys='place\+speed'"):
        execute(["dataset", "inspect", "--task=pointmaze-umaze", f"--dataset={path}"])
