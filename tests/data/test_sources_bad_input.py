"""Generated bad files: each is refused in one line with the file, the key and an index, and runs nothing."""

import pickle
import re
import shutil
import warnings

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rankq_jax.data import sources
from rankq_jax.data.sources.trajectories import load_trajectories
from rankq_jax.data.validate import check_recording
from rankq_jax.errors import InputError
from tests.data import recordings

generated = settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
LAYOUTS = {"own": recordings.own, "d4rl": recordings.d4rl, "ogbench": recordings.ogbench}
FILES = st.sampled_from(["own.npz", "own.hdf5", "d4rl.npz", "d4rl.h5", "ogbench.npz"])
STEPS = sum(len(walk) - 1 for walk in recordings.WALKS)
WIDE = ["observations", "actions", "next_observations"]
rows = st.integers(0, 10**6)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def content(name):
    return LAYOUTS[name.split(".")[0]]()


def load(path):
    """As a run loads it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of files that say nothing about time limits
        episodes = sources.load(str(path), recordings.SIZE)
    check_recording(episodes, str(path), recordings.SIZE, 1)
    return episodes


def assert_refused(path, key=None, index=None, read=load):
    with pytest.raises(InputError) as raised:
        read(path)
    message = str(raised.value)
    assert message.startswith(str(path)) and "\n" not in message, message
    if key is not None:
        assert re.search(rf"['/]{key.removesuffix('s')}s?'", message), message
        assert re.search(rf"\bindex {r'[0-9]+' if index is None else index}\b", message), message


def save(folder, name, arrays):
    path = folder / name
    path.unlink(missing_ok=True)
    return recordings.save(path, arrays)


def test_the_files_are_good_before_they_are_spoiled(folder):
    for name in ("own.npz", "own.hdf5", "d4rl.npz", "d4rl.h5", "ogbench.npz"):
        assert len(load(save(folder, name, content(name))).reward) == STEPS


@generated
@given(name=FILES, share=st.floats(0, 1, exclude_max=True))
def test_a_truncated_file(folder, name, share):
    path = save(folder, name, content(name))
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    assert_refused(path)


@generated
@given(name=FILES, data=st.data())
def test_a_wrong_type(folder, name, data):
    arrays = content(name)
    key = data.draw(st.sampled_from(sorted(arrays)))
    kinds = ["S4", "c8"] + (["i4", "u1", "?"] if key in WIDE else []) + (["O", "U4"] if "npz" in name else [])
    kind = data.draw(st.sampled_from(kinds))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arrays[key] = arrays[key].astype(kind)
    assert_refused(save(folder, name, arrays), key)


@generated
@given(name=FILES, row=rows, bad=st.sampled_from([np.nan, np.inf, -np.inf]), data=st.data())
def test_a_bad_number(folder, name, row, bad, data):
    arrays = content(name)
    key = data.draw(st.sampled_from(sorted({"rewards", *WIDE} & set(arrays))))
    kept = ~arrays["timeouts"] if "d4rl" in name else np.ones(len(arrays["actions"]), bool)
    kept = arrays["terminals"] == 0 if "ogbench" in name else kept
    row = np.flatnonzero(kept)[row % kept.sum()]  # what is not a transition is not looked at
    arrays[key].reshape(len(kept), -1)[row, -1] = bad
    assert_refused(save(folder, name, arrays), "(next_)?observations" if "obs" in key else key)


@generated
@given(name=FILES, row=rows, bad=st.floats(1.001, 1e30), sign=st.sampled_from([-1, 1]))
def test_an_action_outside_of_the_box(folder, name, row, bad, sign):
    arrays = content(name)
    kept = ~recordings.d4rl()["timeouts"] if "own" not in name else np.ones(STEPS, bool)
    arrays["actions"][np.flatnonzero(kept)[row % kept.sum()]] = bad * sign
    assert_refused(save(folder, name, arrays), "actions")


@generated
@given(name=FILES, data=st.data())
def test_swapped_axes(folder, name, data):
    arrays = content(name)
    key = data.draw(st.sampled_from(sorted(set(WIDE) & set(arrays))))
    arrays[key] = arrays[key].T
    assert_refused(save(folder, name, arrays), key, index=arrays[key].shape[0])


@generated
@given(name=FILES, change=st.integers(-16, 5).filter(bool), data=st.data())
def test_other_lengths(folder, name, change, data):
    arrays = content(name)
    key = data.draw(st.sampled_from(sorted(arrays)))
    whole = arrays[key]
    arrays[key] = whole[:change] if change < 0 else np.concatenate([whole, whole[:change]])
    # where the reference itself is short, the next key is the one that disagrees
    reference = key in ("rewards", "terminals")
    index = min(len(whole), len(arrays[key]))
    assert_refused(save(folder, name, arrays), ".*" if reference else key, index)


@generated
@given(name=FILES, data=st.data())
def test_a_missing_key(folder, name, data):
    arrays = content(name)
    key = data.draw(st.sampled_from(["observations", "actions", "terminals"]))
    del arrays[key]
    path = save(folder, name, arrays)
    assert_refused(path)
    with pytest.raises(InputError, match=f"field '{key}' is missing"):
        load(path)


@generated
@given(name=FILES, data=st.data())
def test_no_rows(folder, name, data):
    arrays = content(name)
    every = data.draw(st.booleans())
    key = data.draw(st.sampled_from(sorted(arrays)))
    emptied = {k: a[:0] if every or k == key else a for k, a in arrays.items()}
    assert_refused(save(folder, name, emptied), ".*", index=0)


@generated
@given(name=FILES.filter(lambda name: "ogbench" not in name), row=st.integers(0, STEPS - 1))
def test_a_terminal_at_a_timeout(folder, name, row):
    arrays = content(name)
    arrays["terminals"] = np.zeros(len(arrays["actions"]), bool)
    arrays["timeouts"] = arrays["terminals"].copy()
    arrays["terminals"][row] = arrays["timeouts"][row] = True
    path = save(folder, name, arrays)
    assert_refused(path, "timeouts", index=row)
    with pytest.raises(InputError, match=r"resolve='terminal' or 'timeout'"):
        load(path)


@generated
@given(name=FILES, row=rows, bad=st.sampled_from([-1.0, 0.5, 2.0, np.nan]), data=st.data())
def test_flags_that_are_neither_0_nor_1(folder, name, row, bad, data):
    arrays = content(name)
    key = data.draw(st.sampled_from(sorted({"terminals", "timeouts"} & set(arrays))))
    arrays[key] = arrays[key].astype(np.float32)
    row %= len(arrays[key])
    arrays[key][row] = bad
    assert_refused(save(folder, name, arrays), key, index=row)


@generated
@given(name=FILES, size=st.integers(1, 6).filter(lambda size: size != recordings.SIZE), data=st.data())
def test_the_dataset_of_another_task(folder, name, size, data):
    arrays = content(name)
    keys = {"observations", "next_observations"} if data.draw(st.booleans()) else {"observations"}
    for key in keys & set(arrays):
        arrays[key] = np.zeros((len(arrays[key]), size), np.float32)
    assert_refused(save(folder, name, arrays), "(next_)?observations", index=0)


@generated
@given(name=FILES, shape=st.sampled_from([(), (1, 1, 1), (4, 4), (2, 2, 4)]), data=st.data())
def test_other_shapes(folder, name, shape, data):
    arrays = content(name)
    key = data.draw(st.sampled_from(sorted(arrays)))
    arrays[key] = np.zeros(shape, np.float32)
    assert_refused(save(folder, name, arrays), ".*" if shape == (4, 4) else key)


@generated
@given(
    name=FILES.filter(lambda name: "npz" in name),
    place=st.floats(0, 1, exclude_max=True),
    bit=st.integers(0, 7),
)
def test_a_flipped_bit_is_noticed_or_does_nothing(folder, name, place, bit):
    path = save(folder, name, content(name))
    before, data = load(path), bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    path.write_bytes(bytes(data))
    try:
        after = load(path)
    except InputError as error:
        assert str(error).startswith(str(path)) and "\n" not in str(error)
    else:
        np.testing.assert_array_equal(after.observation, before.observation)
        np.testing.assert_array_equal(after.action, before.action)


@pytest.fixture(scope="module")
def demonstrations():
    steps = np.arange(4.0)
    walk = {
        "observations": [{"state_observation": np.array([x, 1.0])} for x in steps],
        "next_observations": np.stack([steps + 1, np.ones(4)], axis=1),
        "actions": np.zeros((4, 1)),
        "rewards": np.zeros((4, 1)),
        "terminals": np.zeros((4, 1), bool),
    }
    return pickle.dumps([walk, walk])


@settings(generated, max_examples=200)
@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_pickle_runs_nothing_and_ends_well(folder, demonstrations, place, byte, cut):
    path, where = folder / "door.pkl", int(place * len(demonstrations))
    data = demonstrations[:where] + (b"" if cut else bytes([byte]) + demonstrations[where + 1 :])
    path.write_bytes(data)
    try:
        read = load_trajectories(path)
    except InputError as error:
        assert str(error).startswith(str(path)) and "\n" not in str(error)
    else:
        # Where the name of the next observations is spoiled, the last step of each walk is dropped.
        assert not cut and len(read.reward) in (6, 8)


@pytest.fixture(scope="module")
def walks():
    return sources.origin(recordings.write_minari("bad/walks-v0"))


@generated
@given(episode=st.integers(0, 4), row=rows, data=st.data())
def test_a_spoiled_minari_dataset(folder, walks, episode, row, data):
    path = folder / "copy"
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(walks, path)
    key = data.draw(st.sampled_from(["observations", "actions", "rewards", "terminations", "truncations"]))
    kind = data.draw(st.sampled_from(["number", "type", "length", "missing", "truncated"]))
    file = path / "data" / "main_data.hdf5"
    if kind == "truncated":
        stored = file.read_bytes()
        file.write_bytes(stored[: row % len(stored)])
        return assert_refused(path, "data")
    with h5py.File(file, "a") as stored:
        array = stored[f"episode_{episode}"][key][()]
        row %= len(array)
        del stored[f"episode_{episode}"][key]
        if kind == "number":
            array = array.astype(np.float32)
            array.reshape(len(array), -1)[row, -1] = np.nan
        array = array.astype("S4") if kind == "type" else array
        array = array[:row] if kind == "length" else array
        if kind != "missing":
            stored[f"episode_{episode}"][key] = array
    with pytest.raises(InputError, match=rf"^{path}: .*episode (index )?{episode}\b.*") as raised:
        load(path)
    assert "\n" not in str(raised.value)
    if kind in ("number", "type"):
        assert re.search(rf"'(next_)?{key.removesuffix('s')}s?' .* index ", str(raised.value)), raised.value


@pytest.mark.parametrize("name", ["walks.npz", "walks.hdf5"])
def test_files_that_are_something_else(folder, name):
    assert_refused(folder / name)
    (folder / name).mkdir()
    assert_refused(folder / name)
    (folder / name).rmdir()
    for data in (b"", b"PK", b"text", pickle.dumps([1]), b"\x93NUMPY\x01\x00"):
        (folder / name).write_bytes(data)
        assert_refused(folder / name)
    np.save(folder / "array.npy", np.zeros(3))
    shutil.move(folder / "array.npy", folder / name)
    assert_refused(folder / name)


def test_hdf5_entries_that_are_no_arrays(folder):
    for key in ("observations", "rewards"):
        for spoil in (
            lambda file, key: file.create_group(key),
            lambda file, key: file.create_dataset(key, dtype="f4"),
            lambda file, key: file.create_dataset(key, shape=(STEPS, 2), dtype="f4"),  # never written
            lambda file, key: file.create_dataset(key, data=["text"] * STEPS),
        ):
            path = save(folder, "own.hdf5", recordings.own())
            with h5py.File(path, "a") as file:
                del file[key]
                spoil(file, key)
            assert_refused(path)


def test_arrays_that_are_not_understood(folder):
    own = recordings.own()
    assert_refused(save(folder, "own.npz", {**own, "masks": own["rewards"]}))
    old = {key: array for key, array in recordings.d4rl().items() if key != "timeouts"}
    for limit in (np.array([1, 2]), np.array(0), np.array(-5), np.array(np.nan), np.array("many")):
        path = save(folder, "old.npz", {**old, "metadata/max_episode_steps": limit})
        assert_refused(path, "max_episode_steps", 0)
    alone = {**recordings.d4rl(), "episode_id": np.zeros(len(old["rewards"]))}
    with pytest.raises(InputError, match="'episode_id' is of no use alone"):
        load(save(folder, "alone.npz", alone))
    nothing = {**recordings.d4rl(), "timeouts": np.ones(len(old["rewards"]), bool)}
    nothing["terminals"] = ~nothing["timeouts"]
    assert_refused(save(folder, "nothing.npz", nothing), "timeouts", 0)
