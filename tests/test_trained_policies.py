"""Files of exported policies: what they compute, and which files are none."""

import io
import json
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from rankq_jax.data.generate import policy as shipped
from rankq_jax.errors import InputError
from rankq_jax.trained_policies import (
    MOST_BYTES,
    Encoder,
    Entry,
    Pixels,
    TrainedPolicy,
    load_policy,
    save_policy,
)


def tiny(**changes):
    """Two observations, two hidden units, one action."""
    kernels = (np.array([[1.0, -1.0], [0.0, 2.0]], np.float32), np.array([[0.5], [0.25]], np.float32))
    biases = (np.array([0.0, 1.0], np.float32), np.array([-0.1], np.float32))
    statistics = {"mean": np.float32([1.0, -1.0]), "deviation": np.float32([2.0, 0.5])}
    return TrainedPolicy(kernels, biases, {"commit": "c0ffee"}, "iql", "adroit-pen", **statistics)._replace(
        **changes
    )


def test_a_standardized_policy_by_hand(tmp_path):
    save_policy(tiny(), tmp_path / "a.npz")
    loaded = load_policy(tmp_path / "a.npz")
    # (5 - 1) / 2 = 2 and (0.5 + 1) / 0.5 = 3; then relu([2, -2 + 6 + 1]) = [2, 5]; 1 + 1.25 - 0.1
    observation = np.array([[5.0, 0.5]])
    np.testing.assert_allclose(loaded(observation), [[np.tanh(2.15)]], rtol=1e-6)
    assert (loaded.algorithm, loaded.task, loaded.squash) == ("iql", "adroit-pen", "tanh")
    assert (loaded.observation_size, loaded.action_size) == (2, 1)
    assert loaded.provenance == {"commit": "c0ffee"}
    assert repr(loaded) == "TrainedPolicy(algorithm='iql', task='adroit-pen', sizes=[2, 2, 1])"
    save_policy(tiny(squash="clip"), tmp_path / "b.npz")
    clipped = load_policy(tmp_path / "b.npz")
    np.testing.assert_array_equal(clipped(observation), [[1.0]])
    # (1 - 1) / 2 = 0 and 0, so that relu([0, 1]) leaves 0.25 - 0.1
    np.testing.assert_allclose(clipped(np.array([[1.0, -1.0]])), [[0.15]], rtol=1e-6)


@pytest.mark.parametrize("shape", [(2,), (3, 1), (1, 3), (1, 2, 1), ()])
def test_observations_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"\[n, 2\] is needed"):
        tiny()(np.zeros(shape))


@pytest.mark.parametrize("path", sorted(shipped.FOLDER.glob("*.npz")), ids=lambda path: path.stem)
def test_the_shipped_policies_act_as_before_bit_for_bit(path):
    loaded = shipped.load(path.stem)
    with np.load(path) as file:
        weights = {name: file[name] for name in file.files if name.startswith(("kernel_", "bias_"))}
    seen = np.random.default_rng(1).normal(0, 3, (50, loaded.observation_size))
    x = seen.astype(np.float32)
    for i in range(len(weights) // 2 - 1):
        x = np.maximum(x @ weights[f"kernel_{i}"] + weights[f"bias_{i}"], 0.0)
    last = len(weights) // 2 - 1
    expected = np.tanh(x @ weights[f"kernel_{last}"] + weights[f"bias_{last}"])
    found = loaded(seen)
    assert found.dtype == np.float32 and found.tobytes() == expected.tobytes()
    assert loaded.task.startswith("expert-") and loaded.algorithm in ("sac", "bc")


def cnn(layers):
    """What sees an image of 64 x 64 through so many convolutions."""
    side, none = 64 - 2 * layers, np.zeros(1, np.float32)
    kernels = (np.zeros((3, 3, 1, 1), np.float32),) * layers
    return Pixels(
        kernels, (none,) * layers, (1,) * layers, np.zeros((side**2, 1), np.float32), none, none, none
    )


def seeing(*pixels):
    entries = tuple(Entry(f"image{i}", (64, 64, 1), "uint8", one) for i, one in enumerate(pixels))
    kernel = np.zeros((len(pixels), 1), np.float32)
    return tiny(kernels=(kernel,), biases=(kernel[0],), mean=None, deviation=None, encoder=Encoder(entries))


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (lambda: seeing(*[cnn(1)] * 17), "17 observations of its encoder, 16 at most are read"),
        (lambda: seeing(cnn(11)), "11 convolutions of an image, 10 at most"),
        (lambda: seeing(*[cnn(5)] * 8), "117 fields, 100 at most"),
        (lambda: seeing(*[cnn(5)] * 6), ""),
    ],
)
def test_what_could_not_be_read_is_not_written(policy, words, tmp_path):
    path = tmp_path / "a.npz"
    if not words:
        save_policy(policy(), path)
        assert load_policy(path).encoder.features == 6
        return
    with pytest.raises(InputError, match=f"^{path}: the policy has {words}.*; train a smaller one.$"):
        save_policy(policy(), path)
    assert not path.exists()


def refused(path, *words):
    with pytest.raises(InputError) as caught:
        load_policy(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ") and "\n" not in line and len(line) < 400 + len(str(path))
    for word in words:
        assert word in line, line


@pytest.fixture
def fields(tmp_path):
    """Those of a good file, as plain arrays."""
    save_policy(tiny(), tmp_path / "good.npz")
    with np.load(tmp_path / "good.npz") as file:
        return {name: file[name] for name in file.files}


ABOUT = {"algorithm": "iql", "task": "adroit-pen", "squash": "tanh", "observation_size": 2, "action_size": 1}
DEEP = "[" * 100_000 + "]" * 100_000
WRONG = {
    "another format": ({"format": np.array(4)}, "its format is 4"),
    "an encoder that is not there": ({"format": np.array(3)}, "does not say 'observation'"),
    "a format that is no number": ({"format": np.array("2")}, "'format'"),
    "an infinite format": ({"format": np.array(np.inf)}, "'format'"),
    "no kernel": (
        {"kernel_0": None, "kernel_1": None, "bias_0": None, "bias_1": None},
        "'kernel_0' is missing",
    ),
    "a layer left out": ({"kernel_0": None}, "'kernel_0' is missing"),
    "a bias left out": ({"bias_1": None}, "'bias_1' is missing"),
    "no provenance": ({"provenance": None}, "'provenance' is missing"),
    "no text about it": ({"about": None}, "'about' is missing"),
    "numbers in place of a text": ({"about": np.arange(3)}, "'about'"),
    "text that is no JSON": ({"about": np.array("{")}, "Expecting property name"),
    "JSON that is no object": ({"about": np.array("[1]")}, "'about' is no JSON object"),
    "nested JSON": ({"about": np.array(DEEP)}, "recursion"),
    "a size of another type": ({"about": np.array(json.dumps(ABOUT | {"action_size": True}))}, "action_size"),
    "another size": ({"about": np.array(json.dumps(ABOUT | {"observation_size": 3}))}, "observation_size 3"),
    "an unknown squash": ({"about": np.array(json.dumps(ABOUT | {"squash": "sin"}))}, "squash 'sin'"),
    "a mean without a deviation": ({"deviation": None}, "one without the other"),
    "a deviation of zero": ({"deviation": np.zeros(2, np.float32)}, "do not fit the observation"),
    "statistics of another size": ({"mean": np.zeros(3, np.float32)}, "do not fit the observation"),
    "a weight that is not finite": ({"bias_0": np.float32([np.nan, 0])}, "'bias_0' is not finite"),
    "weights in double precision": ({"bias_0": np.zeros(2)}, "'bias_0' is not finite float32"),
    "objects": ({"bias_0": np.array([{}, {}], object)}, "'bias_0' declares"),
    "layers that do not fit": ({"kernel_1": np.zeros((3, 1), np.float32)}, "'kernel_1' has shape (3, 1)"),
    "an empty layer": ({"kernel_0": np.zeros((2, 0), np.float32)}, "'kernel_0' has shape (2, 0)"),
    "a scalar kernel": ({"kernel_1": np.float32(0.0)}, "'kernel_1' has shape ()"),
    "a field of something else": ({"observations": np.zeros(3)}, "no field 'observations'"),
}


@pytest.mark.parametrize(("changes", "word"), WRONG.values(), ids=WRONG.keys())
def test_files_that_are_no_policy(changes, word, fields, tmp_path):
    wrong = {name: value for name, value in (fields | changes).items() if value is not None}
    path = tmp_path / "wrong.npz"
    np.savez_compressed(path, **wrong)
    refused(path, word)


def test_other_files(tmp_path):
    refused(tmp_path / "nowhere.npz", "No such file")
    refused(tmp_path, "directory")
    (tmp_path / "text.npz").write_text("{}")
    refused(tmp_path / "text.npz", "not a zip file")
    np.save(tmp_path / "one.npy", np.zeros(3))
    refused(tmp_path / "one.npy", "not a zip file")
    (tmp_path / "empty.npz").write_bytes(b"")
    refused(tmp_path / "empty.npz", "not a zip file")
    np.savez(tmp_path / "data.npz", observations=np.zeros((3, 2)), actions=np.zeros((3, 1)))
    refused(tmp_path / "data.npz", "no field 'observations'")


def members(path, **contents):
    """A zip file with members of any content."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(f"{name}.npy", content)


def header(shape, dtype="<f4"):
    stream = io.BytesIO()
    described = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, described)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (header((10**9,)), "declares float32[1000000000] and has 0 bytes"),
        (header((-2, -3)) + bytes(24), "declares float32[-2, -3]"),
        (header((2**40, 2**40)), "and has 0 bytes"),
        (header((2,)) + bytes(9), "has 9 bytes"),
        (header((2,), "|O") + bytes(16), "declares object"),
        (b"\x93NUMPY\x03\x00" + header((2,))[8:], "version"),
        (b"", "magic"),
        (bytes(MOST_BYTES + 1), f"declares more than {MOST_BYTES} bytes"),
    ],
    ids=["rows", "negative", "overflow", "rest", "objects", "version", "empty", "bomb"],
)
def test_what_a_member_declares_is_looked_at_first(content, word, tmp_path):
    members(tmp_path / "a.npz", bias_0=content)
    tracemalloc.start()  # numpy's arrays too
    try:
        refused(tmp_path / "a.npz", word)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_archives_within_archives_and_crowds_of_members(tmp_path):
    members(tmp_path / "inner.npz", bias_0=bytes(1000))
    members(tmp_path / "outer.npz", bias_0=(tmp_path / "inner.npz").read_bytes())
    refused(tmp_path / "outer.npz", "magic string")
    members(tmp_path / "many.npz", **{f"bias_{i}": b"" for i in range(200)})
    refused(tmp_path / "many.npz", "more than 100 fields")
    with zipfile.ZipFile(tmp_path / "bz2.npz", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("bias_0.npy", header((2,)) + bytes(8))
    refused(tmp_path / "bz2.npz", "compressed in a way")
    with (tmp_path / "large.npz").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    refused(tmp_path / "large.npz", "at most are a policy")


@seed(13)
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_bytes_are_refused_or_change_nothing(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damage", numbered=True)
    save_policy(tiny(), folder / "good.npz")
    content = bytearray((folder / "good.npz").read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (folder / "a.npz").write_bytes(content)
    try:
        loaded = load_policy(folder / "a.npz")
    except InputError as error:
        assert str(error).startswith(f"{folder / 'a.npz'}: ") and "\n" not in str(error)
        return
    observation = np.array([[5.0, 0.5], [-3.0, 2.0]])
    np.testing.assert_array_equal(loaded(observation), tiny()(observation))


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    save_policy(tiny(), path)
    before = path.read_bytes()

    def full(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="No space left"):
        save_policy(tiny(), path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
    with pytest.raises(ValueError, match="squash"):
        save_policy(tiny(squash="sin"), path)
