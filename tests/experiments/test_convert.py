"""The conversion: what it writes is what it read, and what it refuses leaves nothing behind."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rankq_jax import files
from rankq_jax.cli.convert_dataset import convert
from rankq_jax.data import sources
from rankq_jax.data.readings import READINGS
from rankq_jax.errors import InputError
from tests.data import recordings
from tests.data.test_sources_pickles import TRAJECTORIES, Call

ROOT = Path(__file__).resolve().parents[2]


def command(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "experiments.convert_dataset", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **environment},
    )


def assert_refused(result, *words):
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1 and lines[0].startswith("error: "), result.stderr
    for word in words:
        assert word in lines[0]


@pytest.fixture
def door(tmp_path):
    path = tmp_path / "in" / "door.npy"
    path.parent.mkdir()
    np.save(path, np.array(TRAJECTORIES, object), allow_pickle=True)
    return path


def test_pickled_demonstrations_become_plain_arrays(door, tmp_path):
    result = command(f"--from={door}", f"--to={tmp_path / 'door.npz'}")
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{tmp_path / 'door.npz'}: 10 transitions in 4 episodes\n"
    with np.load(tmp_path / "door.npz", allow_pickle=False) as written:
        np.testing.assert_array_equal(written["rewards"], [-1, 0, -1, -1, -1, -1, 0, 0, -1, 0])
        np.testing.assert_array_equal(written["terminals"], [0, 0, 0, 0, 1, 0, 1, 0, 0, 0])
        np.testing.assert_array_equal(written["timeouts"], [0, 0, 1, 0, 0, 0, 0, 0, 1, 1])
        np.testing.assert_array_equal(written["next_observations"][:, 0], written["observations"][:, 0] + 1)
    read = sources.load(str(tmp_path / "door.npz"))
    np.testing.assert_array_equal(read.episode, [0, 0, 0, 1, 1, 2, 2, 2, 2, 3])
    demonstrations = READINGS["cal_ql"](read, recordings.reached, (-1.0, 0.0))
    np.testing.assert_array_equal(demonstrations.observation[:, 0], [0, 1, 20, 21, 22, 30])
    assert len(READINGS["rlpd"](read, recordings.reached, (-1.0, 0.0)).reward) == 9


@pytest.mark.parametrize("target", ["walks.npz", "walks.hdf5", "walks.h5"])
@pytest.mark.parametrize("source", ["own.npz", "d4rl.hdf5", "minari"])
def test_what_is_converted_is_the_same_data(tmp_path, source, target):
    path = str(tmp_path / source)
    if source == "minari":
        path = recordings.write_minari(f"convert/{target.replace('.', '-')}-v0", dictionary=True)
    else:
        arrays = recordings.own() if "own" in source else recordings.d4rl()
        recordings.save(Path(path), {**arrays, "infos/qpos": np.ones((len(arrays["actions"]), 3))})
    written = convert(path, tmp_path / target, None, None, recordings.SIZE)
    read = sources.load(str(tmp_path / target), simulator_state=True)
    own = recordings.own()
    np.testing.assert_array_equal(read.observation, own["observations"])
    np.testing.assert_array_equal(read.next_observation, own["next_observations"])
    np.testing.assert_array_equal(read.truncated, own["timeouts"])
    np.testing.assert_array_equal(read.success, written.success)
    assert set(read.info) == (set() if source == "minari" else {"qpos"})


def test_several_sources_become_one_file(door, tmp_path):
    own = recordings.save(tmp_path / "own.npz", recordings.own())
    convert(f"{door},{own}", tmp_path / "both.hdf5", "arrays", None, None)
    assert len(sources.load(str(tmp_path / "both.hdf5")).reward) == 10 + 15
    wide = {**recordings.own(), "actions": np.zeros((15, 4), np.float32)}
    wide = recordings.save(tmp_path / "wide.npz", wide)
    with pytest.raises(InputError, match=r"wide.npz: field 'action' has 4 values .*own.npz has 1"):
        convert(f"{own},{wide}", tmp_path / "mixed.npz", None, None, None)
    assert not (tmp_path / "mixed.npz").exists()


@pytest.mark.parametrize(("resolve", "terminated"), [("terminal", True), ("timeout", False)])
def test_a_terminal_at_a_timeout_is_resolved(tmp_path, resolve, terminated):
    arrays = recordings.own()
    arrays["terminals"] = arrays["terminals"] | arrays["timeouts"]
    path = recordings.save(tmp_path / "both.npz", arrays)
    with pytest.raises(InputError, match="index 7"):
        sources.load(str(path))
    convert(str(path), tmp_path / "resolved.npz", None, resolve, None)
    read = sources.load(str(tmp_path / "resolved.npz"))
    ends = np.append(read.episode[1:] != read.episode[:-1], True)
    only = recordings.own()["terminals"]  # these had no timeout
    np.testing.assert_array_equal(read.terminated, ends if terminated else only)
    np.testing.assert_array_equal(read.truncated, ends & ~read.terminated)


def test_a_pickle_with_code_ends_with_status_2_and_runs_nothing(tmp_path):
    holder = np.empty(1, object)
    holder[0] = Call(os.system, f"touch {tmp_path / 'made'}")
    np.save(tmp_path / "door.npy", holder, allow_pickle=True)
    np.savez(tmp_path / "door.npz", **dict.fromkeys(("observations", "actions", "terminals"), holder))
    result = command(f"--from={tmp_path / 'door.npy'}", f"--to={tmp_path / 'out.npz'}")
    assert_refused(result, f"{tmp_path / 'door.npy'}", "posix.system")
    result = command(f"--from={tmp_path / 'door.npz'}", f"--to={tmp_path / 'out.npz'}")
    assert_refused(result, f"{tmp_path / 'door.npz'}", "'observations'", "pickled objects", "index 0")
    assert {path.name for path in tmp_path.iterdir()} == {"door.npy", "door.npz"}


def test_bad_numbers_end_with_status_2_and_leave_nothing(tmp_path):
    arrays = recordings.own()
    arrays["observations"][9, 1] = np.nan
    path = recordings.save(tmp_path / "own.hdf5", arrays)
    result = command(f"--from={path}", f"--to={tmp_path / 'out.npz'}")
    assert_refused(result, str(path), "'observation' is NaN", "episode 1, index 1")
    assert [entry.name for entry in tmp_path.iterdir()] == ["own.hdf5"]


def test_a_missing_dataset_without_a_network(tmp_path):
    result = command(
        "--from=nowhere/at-all-v0",
        f"--to={tmp_path / 'out.npz'}",
        MINARI_DATASETS_PATH=str(tmp_path / "root"),
        MINARI_REMOTE="nowhere://at-all",  # no service that could answer
    )
    assert_refused(result, "nowhere/at-all-v0: no such dataset below", str(tmp_path / "root"), "failed: ")


def test_an_empty_root(tmp_path):
    result = command("--from=some/name-v0", f"--to={tmp_path / 'out.npz'}", MINARI_DATASETS_PATH="")
    assert_refused(result, "MINARI_DATASETS_PATH")


def test_a_missing_flag():
    assert_refused(command("--to=out.npz"), "--from")


@pytest.mark.parametrize(
    ("target", "layout", "resolve", "words"),
    [
        ("own.npz", None, None, "exists already"),
        ("out.csv", None, None, "unknown suffix '.csv'"),
        ("out.npz", "d4lr", None, "format 'd4lr': unknown. Did you mean 'd4rl'"),
        ("out.h5", "ogbench", None, "not kept in .h5"),
    ],
)
def test_what_is_refused_before_anything_is_read(tmp_path, target, layout, resolve, words):
    own = recordings.save(tmp_path / "own.npz", recordings.own())
    before = own.read_bytes()
    with pytest.raises(InputError, match=words):
        convert("no/such.npz", tmp_path / target, layout, resolve, None)
    assert [entry.name for entry in tmp_path.iterdir()] == ["own.npz"] and own.read_bytes() == before


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    own = recordings.save(tmp_path / "own.npz", recordings.own())

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(InputError, match=r"out.npz: cannot be written \(.*No space left on device.*\)"):
        convert(str(own), tmp_path / "out.npz", None, None, None)
    assert [entry.name for entry in tmp_path.iterdir()] == ["own.npz"]


def test_a_run_has_no_keys(tmp_path):
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    (tmp_path / "run" / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"^--keys=place\+speed: .*run is a run, .*; leave it out\.$"):
        convert(str(tmp_path / "run"), tmp_path / "out.npz", None, None, None, keys="place+speed")
