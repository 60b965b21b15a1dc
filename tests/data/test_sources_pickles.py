"""Pickled demonstrations are read, and nothing that a pickle names is ever run."""

import os
import pickle
import struct

import numpy as np
import pytest

from rankq_jax.data import sources
from rankq_jax.data.sources.pickled import load_pickle, plain
from rankq_jax.data.sources.trajectories import load_trajectories
from rankq_jax.errors import InputError
from tests.data.test_sources_formats import rows


def expert(start, rewards):
    """As `door2_sparse.npy`: observations as dictionaries, one reward too many."""
    steps = len(rewards)
    position = np.arange(start, start + steps + 1.0)
    states = [{"state_observation": np.array([x, -x]), "image": None} for x in position]
    return {
        "observations": states[:-1],
        "next_observations": np.array([*states[1:], None], object)[:-1],
        "actions": rows(np.linspace(-1, 1, steps)),
        "rewards": np.array([*rewards, 99.0]),
        "terminals": np.zeros(steps, bool),
        "agent_infos": [{"mean": np.zeros(2)}] * steps,
        "env_infos": {"goal_achieved": [np.bool_(True), np.float32(1.5)], "name": np.array(["a", "bc"])},
    }


def rollout(start, rewards):
    """As `door_bc_sparse4.npy`: arrays, with columns for numbers."""
    steps = len(rewards)
    position = np.arange(start, start + steps + 1.0)
    both = np.stack([position, -position], axis=1)
    return {
        "observations": both[:-1],
        "next_observations": np.asfortranarray(both[1:]),
        "actions": rows(np.linspace(-1, 1, steps)).astype(">f4"),
        "rewards": np.array(rewards, np.float32)[:, None],
        "terminals": np.arange(steps)[:, None] == 1,
        "agent_infos": np.array([{}] * steps),
        "env_infos": np.array([{}] * steps).reshape(-1, 1),
    }


TRAJECTORIES = [expert(0, [-1, 0, -1]), rollout(10, [-1, -1]), rollout(20, [-1, 0, 0, -1]), expert(30, [0])]


def check(read):
    np.testing.assert_array_equal(read.observation[:, 0], [0, 1, 2, 10, 11, 20, 21, 22, 23, 30])
    np.testing.assert_array_equal(read.next_observation[:, 1], -(read.observation[:, 0] + 1))
    np.testing.assert_array_equal(read.reward, [-1, 0, -1, -1, -1, -1, 0, 0, -1, 0])
    np.testing.assert_array_equal(read.success, read.reward == 0)
    np.testing.assert_array_equal(read.episode, [0, 0, 0, 1, 1, 2, 2, 2, 2, 3])
    np.testing.assert_array_equal(read.terminated, [0, 0, 0, 0, 1, 0, 1, 0, 0, 0])
    np.testing.assert_array_equal(read.truncated, [0, 0, 1, 0, 0, 0, 0, 0, 1, 1])
    np.testing.assert_allclose(read.action[:3, 0], [-1, 0, 1])


def test_the_arrays_of_numpy_save(tmp_path):
    np.save(tmp_path / "door.npy", np.array(TRAJECTORIES, object), allow_pickle=True)
    check(load_trajectories(tmp_path / "door.npy"))
    np.save(tmp_path / "list.npy", TRAJECTORIES, allow_pickle=True)
    check(load_trajectories(tmp_path / "list.npy"))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol(tmp_path, protocol):
    (tmp_path / "door.pkl").write_bytes(pickle.dumps(TRAJECTORIES, protocol))
    check(load_trajectories(tmp_path / "door.pkl"))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "value",
    [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(6.0).reshape(2, 3)[:, ::2],
        np.zeros((0, 3), np.float32),
        np.array(2.5),
        np.array([True, False]),
        np.array([1, 2], ">i2"),
        np.array(["a", "bcd"]),
        np.array([b"a", b"bcd"]),
        np.array([1 + 2j]),
        np.float32(3.25),
        np.int64(-1),
        np.bool_(True),
        np.str_("text"),
    ],
    ids=repr,
)
def test_values_come_back(tmp_path, value, protocol):
    (tmp_path / "value.pickle").write_bytes(pickle.dumps(value, protocol))
    read = load_pickle(tmp_path / "value.pickle")
    np.testing.assert_array_equal(read, value)
    assert read.dtype == value.dtype and read.shape == value.shape


def test_a_pickle_of_python_2(tmp_path):
    # what Python 2 wrote for numpy.array([1.7]): bytes as text, modules of numpy 1
    state = b"(I1\n(I1\ntcnumpy\ndtype\n(S'f8'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\n"
    data = b"U\x08" + struct.pack("<d", 1.7)
    start = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
    (tmp_path / "old.pickle").write_bytes(start + state + data + b"tb.")
    np.testing.assert_array_equal(load_pickle(tmp_path / "old.pickle"), [1.7])


class Call:
    """Pickles as a call of anything."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def attacks(path):
    """Objects and pickles that would write a file at `path`, by what they would call."""
    code = f"open({str(path)!r}, 'w').close()"
    yield "os.system", Call(os.system, f"touch {path}")
    yield "builtins.eval", Call(eval, code)
    yield "builtins.exec", Call(exec, code)
    yield "io.open", Call(open, str(path), "w")
    yield "builtins.getattr", Call(getattr, "text", "upper")
    yield "numpy.load", Call(np.load, str(path), None, True)
    yield "numpy.lib._npyio_impl.save", Call(np.save, str(path), 1)
    yield "pathlib.Path", path


@pytest.mark.parametrize(
    "kind", ["bare", "list", "array", "trajectory", "observation", "npy", "npz", "twice"]
)
@pytest.mark.parametrize("number", range(8))
def test_code_is_refused_and_not_run(tmp_path, kind, number):
    name, attack = list(attacks(tmp_path / "made"))[number]
    holder = np.empty(1, object)
    holder[0] = attack
    content = {
        "bare": attack,
        "list": [TRAJECTORIES[0], attack],
        "array": [holder],
        "trajectory": [{**TRAJECTORIES[0], "env_infos": attack}],
        "observation": [{**TRAJECTORIES[0], "observations": [{"state_observation": attack}]}],
        "twice": pickle.dumps(attack),  # bytes in a pickle are never unpickled themselves
    }
    if kind == "npz":
        path = tmp_path / "door.npz"
        np.savez(path, observations=holder, actions=holder, terminals=holder)
        with pytest.raises(
            InputError, match=rf"^{path}: field 'observations' holds pickled objects from index"
        ):
            sources.load(str(path))
    elif kind == "npy":
        path = tmp_path / "door.npy"
        np.save(path, holder, allow_pickle=True)
        refused(path, name)
    else:
        path = tmp_path / "door.pkl"
        path.write_bytes(pickle.dumps(content[kind]))
        refused(path, "" if kind == "twice" else name)
    assert not (tmp_path / "made").exists()


def refused(path, name):
    with pytest.raises(InputError) as raised:
        load_trajectories(path)
    assert str(raised.value).startswith(f"{path}: ") and "\n" not in str(raised.value)
    module, _, attribute = name.rpartition(".")
    assert attribute in str(raised.value), (module, str(raised.value))


DTYPE = b"cnumpy\ndtype\n(S'f8'\nI0\nI1\ntR"
ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"


@pytest.mark.parametrize(
    "data",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"(S'true'\nios\nsystem\n.",
        b"\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
        b"\x8c\x05numpy\x8c\x10ndarray.__class__\x93.",  # no way through an attribute
        b"cnumpy\nload\n.",
        b"cnumpy.core.multiarray\nfromfile\n.",
        b"cnumpy.core.multiarray\n_reconstruct\n(c__builtin__\nobject\n(I0\ntS'b'\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\ndtype\n(I0\ntS'b'\ntR.",
        b"cnumpy\nndarray\n(I4\ntR.",
        b"cnumpy\nndarray\nN}S'_function'\nN\x86b.",  # changing what a name stands for
        b"cnumpy\nndarray\n}S'_function'\nNsb.",
        b"cnumpy\ndtype\n(S'V8'\nI0\nI1\ntR.",
        b"cnumpy\ndtype\n((lS'f8'\ntR.",
        DTYPE + b"(I3\nS'<'\n(S'f8'\n(I2\nttNNI-1\nI-1\nI0\ntb.",  # a subtype
        DTYPE + b"(I3\nS'<'\nN(S'x'\ntNI-1\nI-1\nI0\ntb.",  # fields
        ARRAY + b"(I1\n(I2\nt" + DTYPE + b"I00\nS'12345678'\ntb.",  # bytes of one number for two
        ARRAY + b"(I1\n(I-1\nt" + DTYPE + b"I00\nS'12345678'\ntb.",
        ARRAY + b"(I1\n(I4294967296\nI4294967296\nt" + DTYPE + b"I00\nS''\ntb.",
        ARRAY + b"(I1\n(I1\ntcnumpy\ndtype\n(S'O8'\nI0\nI1\ntRI00\nS'12345678'\ntb.",  # a pointer
        b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'O8'\nI0\nI1\ntRS'12345678'\ntR.",
        b"c_codecs\nencode\n(S'x'\nS'zip'\ntR.",
        b"Nr\xff\xff\xff\xff.",  # memory for four thousand million values
        b"Np99999999999\n.",
        b"\x95\xff\xff\xff\xff\xff\xff\xff\x00N.",
        b"B\xff\xff\xff\x7f.",
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\x00.",
        b"\x96\xff\xff\xff\xff\xff\xff\xff\x00.",
        b"Pouter\n.",
        b"\x82\x01.",
        b"(lp0\ng0\na.",  # a list that holds itself
        b"",
        b".",
        b"N.",
        b"]" * 100_000 + b".",
    ],
    ids=lambda data: repr(data[:40]),
)
def test_a_crooked_pickle(tmp_path, data):
    path = tmp_path / "crooked.pkl"
    path.write_bytes(data)
    with pytest.raises(InputError) as raised:
        load_trajectories(path)
    assert str(raised.value).startswith(f"{path}: ") and "\n" not in str(raised.value)
    assert len(str(raised.value)) < len(str(path)) + 400


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop("actions"), "episode 1: field 'actions' is missing"),
        (lambda t: t.update(rewards=np.zeros(9)), "episode 1: field 'rewards' ends at index 3"),
        (lambda t: t.update(actions=t["actions"].astype(int)), "episode 1: field 'actions' has dtype int64"),
        (lambda t: t.update(actions=np.zeros((3, 2))), "episode 1: field 'actions' has 2 numbers per step"),
        (lambda t: t.update(terminals=["no"] * 3), "episode 1: field 'terminals' has dtype"),
        (lambda t: t["observations"].pop(), "episode 1: field 'observations' ends at index 2"),
        (lambda t: t["observations"][1].clear(), "no 'state_observation' at index 1"),
        (lambda t: t["observations"][1].update(state_observation=[1.0]), "rows of different lengths"),
        (
            lambda t: t.update(next_observations=np.zeros((3, 5))),
            "field 'next_observations' has other numbers",
        ),
        (
            lambda t: t.update({key: [] for key in ("actions", "rewards", "observations")}),
            "episode 1: .*'actions'",
        ),
    ],
)
def test_a_spoiled_trajectory(tmp_path, change, words):
    content = pickle.loads(pickle.dumps([TRAJECTORIES[0]] * 2))
    content[1] = pickle.loads(pickle.dumps(TRAJECTORIES[0]))
    change(content[1])
    path = tmp_path / "door.npy"
    np.save(path, np.array(content, object), allow_pickle=True)
    with pytest.raises(InputError, match=f"^{path}: .*{words}"):
        load_trajectories(path)


@pytest.mark.parametrize("content", [3, [], {}, ["text"], [[1]]])
def test_no_trajectories(tmp_path, content):
    path = tmp_path / "door.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match=f"^{path}: "):
        load_trajectories(path)


def test_an_array_of_numbers_is_no_list_of_trajectories(tmp_path):
    np.save(tmp_path / "door.npy", np.zeros((3, 2)))
    with pytest.raises(InputError, match=r"door.npy: field 'data' is an array of float64 from index 0"):
        load_trajectories(tmp_path / "door.npy")
    with pytest.raises(InputError, match="no such file"):
        load_trajectories(tmp_path / "none.npy")


def test_without_next_observations_the_last_step_is_dropped(tmp_path):
    content = [
        {k: v for k, v in rollout(20, [-1, 0, 0]).items() if k not in ("next_observations", "terminals")}
    ]
    (tmp_path / "demonstrations.pickle").write_bytes(pickle.dumps(content))
    read = load_trajectories(tmp_path / "demonstrations.pickle")
    np.testing.assert_array_equal(read.observation[:, 0], [20, 21])
    np.testing.assert_array_equal(read.next_observation[:, 0], [21, 22])
    np.testing.assert_array_equal(read.truncated, [0, 1])
    assert plain(3) == 3
