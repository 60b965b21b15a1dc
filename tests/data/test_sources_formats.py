"""The same walks in every format are the same data; the conventions of each format by hand."""

import re

import numpy as np
import pytest

from rankq_jax.data import export, sources
from rankq_jax.data.prepare import RewardTransform, prepare
from rankq_jax.data.readings import READINGS
from rankq_jax.data.sources.arrays import from_arrays
from rankq_jax.data.sources.ogbench import from_ogbench
from rankq_jax.errors import InputError
from tests.data import recordings

GAMMA = 0.9
SPARSE = RewardTransform(scale=10.0, bias=-5.0, failure=0.0)


def compact():
    arrays = recordings.ogbench()
    ends = arrays["terminals"] > 0
    return {**arrays, "terminals": ends | np.append(ends[1:], True), "valids": 1.0 - ends}


def ogbench_with_next():
    own = recordings.own()
    return {
        "observations": own["observations"],
        "next_observations": own["next_observations"],
        "actions": own["actions"],
        "terminals": own["terminals"] | own["timeouts"],
    }


def without(arrays, *keys):
    return {key: array for key, array in arrays.items() if key not in keys}


def relabeled():
    """As D4RL's mazes: the collector goes on, and every step into the goal is a terminal."""
    arrays = recordings.d4rl()
    return {**arrays, "terminals": (arrays["rewards"] == 1.0) & ~arrays["timeouts"]}


FORMATS = {
    "d4rl.hdf5": recordings.d4rl,
    "d4rl-relabeled.hdf5": relabeled,
    "d4rl.npz": recordings.d4rl,
    "own.npz": recordings.own,
    "own.h5": recordings.own,
    "own-without-timeouts.npz": lambda: without(recordings.own(), "timeouts"),
    "ogbench.npz": recordings.ogbench,
    "ogbench-compact.npz": compact,
    "ogbench-with-next.npz": ogbench_with_next,
    "minari/walks-v0": None,
    "minari/dictionary-v0": None,
}


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Name of the dataset of each format."""
    folder = tmp_path_factory.mktemp("formats")
    result = {}
    for name, arrays in FORMATS.items():
        if arrays is None:
            result[name] = recordings.write_minari(name, dictionary="dictionary" in name)
        else:
            result[name] = str(recordings.save(folder / name, arrays()))
    return result


def check_as_training_data(episodes):
    read = READINGS["task"](episodes, recordings.reached, (0.0, 1.0))
    data = prepare(read, SPARSE, GAMMA)
    expected = recordings.expected(GAMMA, SPARSE.scale, SPARSE.bias)
    for name in ("observation", "action", "reward", "next_observation"):
        np.testing.assert_array_equal(getattr(data, name), expected[name], err_msg=name)
    np.testing.assert_allclose(data.discount, expected["discount"], rtol=1e-6)
    np.testing.assert_array_equal(data.extras["success"], expected["success"])
    np.testing.assert_allclose(data.extras["mc_return"], expected["mc_return"], rtol=1e-5)


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_walks_are_the_same_training_data(stored, name):
    check_as_training_data(sources.load(stored[name], observation_size=recordings.SIZE))


def test_the_expectation_by_hand():
    expected = recordings.expected(GAMMA, SPARSE.scale, SPARSE.bias)
    np.testing.assert_array_equal(expected["observation"][:, 0], [0, 1, 2, 4, 0, 1, 2, 7, 6, 5, 2, 8])
    np.testing.assert_array_equal(expected["reward"], [-5, -5, 5, 5, -5, -5, 5, -5, -5, -5, 5, -5])
    np.testing.assert_allclose(expected["mc_return"][:5], [-5 - 4.5 + 4.05, -5 + 4.5, 5, 5, -50])


@pytest.mark.parametrize(
    "name", [name for name in FORMATS if not {"ogbench", "relabeled"} & set(re.split(r"\W", name))]
)
def test_what_was_recorded(stored, name):
    episodes = sources.load(stored[name], observation_size=recordings.SIZE)
    own = recordings.own()
    for field, key in (("observation", "observations"), ("action", "actions"), ("reward", "rewards")):
        np.testing.assert_array_equal(getattr(episodes, field), own[key])
    np.testing.assert_array_equal(episodes.next_observation, own["next_observations"])
    assert episodes.observation.dtype == np.float32 and episodes.reward.dtype == np.float64
    numbers = np.repeat(np.arange(5), [len(walk) - 1 for walk in recordings.WALKS])
    np.testing.assert_array_equal(episodes.terminated, own["terminals"])
    np.testing.assert_array_equal(episodes.success, recordings.reached(own["next_observations"]))
    np.testing.assert_array_equal(episodes.truncated, own["timeouts"])
    np.testing.assert_array_equal(episodes.episode, numbers)


def test_several_sources_are_one_after_another(stored):
    both = sources.load(f"{stored['d4rl.hdf5']}, {stored['own.npz']}")
    one = recordings.own()["observations"]
    np.testing.assert_array_equal(both.observation, np.concatenate([one, one]))
    assert both.episode[-1] == 9
    each = list(sources.load_each(f"{stored['d4rl.hdf5']},{stored['minari/walks-v0']}"))
    assert [source.endswith(end) for (source, _), end in zip(each, ("d4rl.hdf5", "walks-v0"), strict=True)]


def rows(values):
    return np.array(values, np.float32)[:, None]


def made(positions, terminals=(), timeouts=None, rewards=None, **others):
    count = len(positions)
    arrays = {
        "observations": rows(positions),
        "actions": rows(np.zeros(count)),
        "rewards": np.array(rewards if rewards is not None else np.zeros(count)),
        "terminals": np.isin(np.arange(count), terminals),
        **others,
    }
    if timeouts is not None:
        arrays["timeouts"] = np.isin(np.arange(count), timeouts)
    return arrays


def test_rows_at_timeouts_and_the_last_row_are_dropped():
    # 0 1 2(timeout) | 5 6(terminal) | 8 9 (end of the file)
    read = from_arrays(made([0, 1, 2, 5, 6, 8, 9], terminals=[4], timeouts=[2]), "file")
    np.testing.assert_array_equal(read.observation[:, 0], [0, 1, 5, 6, 8])
    np.testing.assert_array_equal(
        read.next_observation[:, 0], [1, 2, 6, 8, 9]
    )  # 6 -> 8: as qlearning_dataset
    np.testing.assert_array_equal(read.terminated, [0, 0, 0, 1, 0])
    np.testing.assert_array_equal(read.truncated, [0, 1, 0, 0, 1])
    np.testing.assert_array_equal(read.episode, [0, 0, 1, 1, 2])


def test_an_episode_of_a_timeout_alone_disappears():
    read = from_arrays(made([0, 1, 7, 5, 6, 9], timeouts=[1, 2, 5]), "file")
    np.testing.assert_array_equal(read.observation[:, 0], [0, 5, 6])
    np.testing.assert_array_equal(read.episode, [0, 1, 1])


def test_with_next_observations_nothing_is_dropped():
    arrays = made([0, 1, 5], timeouts=[1], next_observations=rows([1, 2, 6]))
    read = from_arrays(arrays, "file")
    np.testing.assert_array_equal(read.observation[:, 0], [0, 1, 5])
    np.testing.assert_array_equal(read.truncated, [0, 1, 1])  # the file's end cuts the last one


def test_without_timeouts_a_jump_ends_an_episode():
    arrays = made([0, 1, 5, 6], terminals=[3], next_observations=rows([1, 2, 6, 7]))
    read = from_arrays(arrays, "file")
    np.testing.assert_array_equal(read.episode, [0, 0, 1, 1])
    np.testing.assert_array_equal(read.truncated, [0, 1, 0, 0])


def test_an_old_file_with_a_limit_of_steps():
    # limit 3 counts from the start and from each terminal: 0 1 2* | 5 6(terminal) | 7 8 9* | 4
    arrays = made([0, 1, 2, 5, 6, 7, 8, 9, 4], terminals=[4], **{"metadata/max_episode_steps": np.array(3)})
    read = from_arrays(arrays, "file")
    np.testing.assert_array_equal(read.observation[:, 0], [0, 1, 5, 6, 7, 8])
    np.testing.assert_array_equal(read.episode, [0, 0, 1, 1, 2, 2])
    np.testing.assert_array_equal(read.truncated, [0, 1, 0, 0, 0, 1])


def test_an_old_file_without_anything_is_told():
    with pytest.warns(UserWarning, match="file: field 'timeouts' is missing, so episodes end at terminals"):
        read = from_arrays(made([0, 1, 2, 3], terminals=[1]), "file")
    np.testing.assert_array_equal(read.episode, [0, 0, 1])


@pytest.mark.parametrize(
    ("rewards", "terminals", "success"),
    [
        ([0, 1, 0, 1], [], [0, 1, 0, 1]),
        ([-1, -1, 0, -1], [], [0, 0, 1, 0]),
        ([0, 0, 0, 0], [2], [0, 0, 1, 0]),  # one value says nothing
        ([0, 1, 2, 1], [3], [0, 0, 0, 1]),  # nor does a dense reward
    ],
)
def test_success_is_the_higher_one_of_two_rewards(rewards, terminals, success):
    arrays = made([0, 1, 2, 3], terminals, [], rewards, next_observations=rows([1, 2, 3, 4]))
    np.testing.assert_array_equal(from_arrays(arrays, "file").success, success)


@pytest.mark.parametrize(("resolve", "ends"), [("terminal", "terminated"), ("timeout", "truncated")])
def test_a_terminal_at_a_timeout(resolve, ends):
    arrays = made([0, 1, 5], terminals=[1], timeouts=[1], next_observations=rows([1, 2, 6]))
    with pytest.raises(InputError, match=r"file: .*'terminals' and 'timeouts' .*index 1.*resolve='terminal'"):
        from_arrays(arrays, "file")
    read = from_arrays(arrays, "file", resolve)
    assert getattr(read, ends)[1] and not (read.terminated & read.truncated).any()
    np.testing.assert_array_equal(read.episode, [0, 0, 1])


def test_ogbench_by_hand():
    arrays = without(made([0, 1, 2, 5, 6]), "rewards", "terminals")
    read = from_ogbench({**arrays, "terminals": np.array([0.0, 0, 1, 0, 1])}, "file")
    np.testing.assert_array_equal(read.observation[:, 0], [0, 1, 5])
    np.testing.assert_array_equal(read.next_observation[:, 0], [1, 2, 6])
    np.testing.assert_array_equal(read.truncated, [0, 1, 1])
    assert not (read.terminated | read.success).any() and not read.reward.any()
    wrong = {**arrays, "terminals": np.array([0.0, 0, 1, 0, 0]), "valids": np.array([1.0, 1, 0, 1, 0])}
    with pytest.raises(InputError, match="file: field 'valids' is 0 at index 4"):
        from_ogbench(wrong, "file")


@pytest.mark.parametrize("key", ["qpos", "infos/qpos"])
def test_simulator_states_are_kept_when_asked_for(tmp_path, key):
    arrays = recordings.d4rl()
    qpos = np.arange(len(arrays["rewards"]) * 3.0).reshape(-1, 3)
    path = recordings.save(tmp_path / "states.npz", {**arrays, key: qpos})
    assert sources.load(str(path)).info == {}
    info = sources.load(str(path), simulator_state=True).info
    np.testing.assert_array_equal(info["qpos"], qpos[~arrays["timeouts"]])


def recording():
    """Everything that a file can hold: simulator states, and a success that is no reward."""
    read = from_arrays(recordings.own(), "own")
    states = {"qpos": np.arange(len(read.reward) * 3.0).reshape(-1, 3)}
    return read._replace(info=states, success=read.success ^ (read.episode == 2))


@pytest.mark.parametrize("layout", ["arrays", "d4rl"])
@pytest.mark.parametrize("suffix", [".npz", ".hdf5", ".h5"])
def test_what_is_written_is_read_back(tmp_path, suffix, layout):
    path = tmp_path / f"walks{suffix}"
    export.write(recording(), path, layout)
    read = sources.load(str(path), simulator_state=True)
    for name, leaf in recording()._asdict().items():
        if name == "info":
            np.testing.assert_array_equal(read.info["qpos"], leaf["qpos"])
        else:
            np.testing.assert_array_equal(getattr(read, name), leaf, err_msg=name)
            assert getattr(read, name).dtype == leaf.dtype
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_ogbench_keeps_the_behaviour_alone(tmp_path):
    export.write(recording(), tmp_path / "walks.npz", "ogbench")
    written = dict(np.load(tmp_path / "walks.npz"))
    for key, array in recordings.ogbench().items():
        np.testing.assert_array_equal(written[key], array)
    check_as_training_data(sources.load(str(tmp_path / "walks.npz")))


def test_the_d4rl_file_is_the_one_by_hand(tmp_path):
    written = export.d4rl(from_arrays(recordings.own(), "own"), "own")
    for key, array in recordings.d4rl().items():
        np.testing.assert_array_equal(written[key], array)


def test_arrays_keep_episodes_that_end_by_nothing_and_terminals_inside(tmp_path):
    odd = recording()
    terminated = odd.terminated.copy()
    terminated[2] = True
    odd = odd._replace(terminated=terminated, truncated=np.zeros_like(terminated))
    export.write(odd, tmp_path / "odd.npz")
    read = sources.load(str(tmp_path / "odd.npz"))
    for field in ("episode", "terminated", "truncated"):
        np.testing.assert_array_equal(getattr(read, field), getattr(odd, field))
    with pytest.raises(
        InputError, match=r"odd.hdf5: .*index 2, before its episode ends; use the format 'arrays'"
    ):
        export.write(odd, tmp_path / "odd.hdf5")
    apart = recording()._replace(next_observation=odd.next_observation + 0.25)
    with pytest.raises(InputError, match=r"'next_observations' at index 0 .*use the format 'arrays'"):
        export.write(apart, tmp_path / "odd.hdf5", "d4rl")
    assert not (tmp_path / "odd.hdf5").exists()


def test_an_existing_file_is_not_written_over(tmp_path):
    (tmp_path / "walks.npz").write_text("precious")
    with pytest.raises(InputError, match=r"walks.npz: exists already"):
        export.write(recording(), tmp_path / "walks.npz")
    assert (tmp_path / "walks.npz").read_text() == "precious"


@pytest.mark.parametrize(
    ("name", "layout", "words"),
    [
        ("walks.csv", None, "unknown suffix '.csv'"),
        ("walks.hdf5", "ogbench", "not kept in .hdf5"),
        ("walks.npz", "d4lr", "Did you mean 'd4rl'"),
        ("no/such/walks.npz", None, "its folder does not exist"),
        ("no/such/walks.hdf5", None, "its folder does not exist"),
    ],
)
def test_a_target_that_cannot_be(tmp_path, name, layout, words):
    with pytest.raises(InputError, match=words):
        export.write(recording(), tmp_path / name, layout)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".npz", ".hdf5"])
def test_an_interruption_leaves_nothing(tmp_path, monkeypatch, suffix):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", interrupted)  # the last moment
    with pytest.raises(KeyboardInterrupt):
        export.write(recording(), tmp_path / f"walks{suffix}")
    assert list(tmp_path.iterdir()) == []


def test_simulator_states_of_different_sizes_do_not_mix():
    one = from_arrays(recordings.own(), "a.npz")
    narrow, wide = (one._replace(info={"qpos": np.zeros((len(one.reward), n))}) for n in (3, 5))
    sources.check_alike([("a.npz", narrow), ("b.npz", one)])  # what one of them lacks is left out
    with pytest.raises(InputError, match=r"^b\.npz: field 'infos/qpos' has 5 values .* a\.npz has 3; "):
        sources.check_alike([("a.npz", narrow), ("b.npz", wide)])
