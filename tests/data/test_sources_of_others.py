"""What other libraries write: every file loads to the values in it, and says what it cannot be read as."""

import h5py
import numpy as np
import pytest

from rankq_jax.data import sources
from rankq_jax.data.sources import Wanted
from rankq_jax.data.sources.layouts import read_mapping
from rankq_jax.errors import InputError
from tests.data import layouts, recordings
from tests.data.test_sources_formats import check_as_training_data

EPISODES = layouts.parts()
# Of formats without a final observation: the last step of an episode that did not terminate is not there.
WITHOUT_FINAL = [
    (o, a, r, t) if t[-1] else (o[:-1], a[:-1], r[:-1], t[:-1])
    for o, a, r, t in EPISODES
    if t[-1] or len(a) > 1
]


def saved(path, arrays):
    np.savez(path, **arrays)
    return path


def check(read, episodes, field=None, terminals=None):
    """Against the arrays that were written, whose next observations are `field` of the last step's."""
    columns = {
        "observation": np.concatenate([o[: len(a)] for o, a, *_ in episodes]),
        "action": np.concatenate([a for _, a, *_ in episodes]),
        "reward": np.concatenate([r for *_, r, _ in episodes]),
        "terminated": np.concatenate([t for *_, t in episodes]) if terminals is None else terminals,
        "episode": np.repeat(np.arange(len(episodes)), [len(a) for _, a, *_ in episodes]),
    }
    last = np.append(np.diff(columns["episode"]) > 0, True)
    columns["truncated"] = last & ~columns["terminated"]
    for name, values in columns.items():
        np.testing.assert_array_equal(getattr(read, name), values, err_msg=name)
    following = np.concatenate([o[1 : len(a) + 1] for o, a, *_ in episodes])
    sure = np.ones(len(last), bool) if field is None else field
    np.testing.assert_array_equal(read.next_observation[sure], following[sure])


def known(episodes):
    """`[N]` bool: steps whose next observation is in a file without final ones."""
    return ~np.concatenate([t for *_, t in episodes])


@pytest.mark.parametrize("done", ["both", "none"])
def test_robomimic(tmp_path, done):
    many = layouts.parts([EPISODES[2]] * 8)  # more than ten, whose groups are not listed in this order
    path = layouts.robomimic(tmp_path / "lift.hdf5", many, done=done)
    won = np.concatenate([r > 0 for *_, r, _ in many]) & (done == "both")
    read = sources.load(str(path))
    check(read, many, terminals=won)
    np.testing.assert_array_equal(read.success, np.concatenate([r > 0 for *_, r, _ in many]))
    with h5py.File(path) as file:  # and once more by what the file holds
        stored = np.concatenate([file[f"data/demo_{i}/obs/object"][()] for i in range(len(many))])
    np.testing.assert_array_equal(read.observation, stored)
    check_as_training_data(sources.load(str(layouts.robomimic(tmp_path / "x", EPISODES, done=done))))


def test_an_end_of_a_demonstration_is_no_terminal(tmp_path):
    path = layouts.robomimic(tmp_path / "lift.hdf5", EPISODES, done="ends")
    won = np.concatenate([np.append(np.zeros(len(r) - 1), r[-1] > 0) for *_, r, _ in EPISODES]) > 0
    check(sources.load(str(path)), EPISODES, terminals=won)
    resolved = sources.load_one(str(path), Wanted(resolve="terminal"))
    np.testing.assert_array_equal(resolved.terminated, np.append(np.diff(resolved.episode) > 0, True))
    assert not sources.load_one(str(path), Wanted(resolve="timeout")).terminated.any()


def test_robomimic_without_next_observations(tmp_path):
    path = layouts.robomimic(tmp_path / "lift.hdf5", EPISODES, next_obs=False)
    ended = [(o, a, r, (np.arange(len(r)) == len(r) - 1) & (r > 0)) for o, a, r, _ in EPISODES]
    whole = [(o, a, r, t) if t[-1] else (o[:-1], a[:-1], r[:-1], t[:-1]) for o, a, r, t in ended]
    check(sources.load(str(path)), [part for part in whole if len(part[1])], known(whole))


def test_next_observations_that_are_rolled_are_refused(tmp_path):
    path = layouts.robomimic(tmp_path / "lift.hdf5", EPISODES)
    with h5py.File(path, "a") as file:
        file["data/demo_2/next_obs/object"][-1] = file["data/demo_2/obs/object"][0]
    words = "data/demo_2: field 'next_observations' at index 2 is the first observation again"
    with pytest.raises(InputError, match=words):
        sources.load(str(path))


def test_one_number_is_no_column(tmp_path):
    for name in ("neorl", "imitation", "stable_baselines", "single_task"):
        whole = getattr(layouts, f"{name}_arrays")(EPISODES)
        for key in set(whole) - {"infos", "episode_returns"}:
            path = saved(tmp_path / "one.npz", {**whole, key: np.float32(1.0)})
            with pytest.raises(InputError, match=r"field '\w+' "):
                sources.load(str(path))


@pytest.mark.parametrize("keys", ["object+eef", "eef, object", "eef"])
def test_observations_are_chosen_by_name(tmp_path, keys):
    path = layouts.robomimic(tmp_path / "lift.hdf5", EPISODES, split=True)
    order = {"object+eef": [0, 1], "eef, object": [1, 0], "eef": [1]}[keys]
    read = sources.load(str(path), keys=keys)
    whole = recordings.own()
    np.testing.assert_array_equal(read.observation, whole["observations"][:, order])
    np.testing.assert_array_equal(read.next_observation, whole["next_observations"][:, order])


def test_several_observations_are_listed(tmp_path):
    path = layouts.robomimic(tmp_path / "lift.hdf5", EPISODES, split=True)
    with pytest.raises(
        InputError, match=r"has several entries: eef \(1\), object \(1\); .*keys='eef\+object'"
    ):
        sources.load(str(path))
    with pytest.raises(InputError, match=r"field 'data/demo_0/obs' has no entry 'ef'. Did you mean 'eef'"):
        sources.load(str(path), keys="ef")
    with pytest.raises(InputError, match="names nothing, or one thing twice"):
        sources.load(str(path), keys="eef++object")
    own = recordings.save(tmp_path / "own.npz", recordings.own())
    with pytest.raises(InputError, match="is one array without named entries; leave keys out"):
        sources.load(str(own), keys="eef")


def test_pictures_are_no_vectors(tmp_path):
    path = layouts.robomimic(tmp_path / "lift.hdf5", EPISODES)
    with h5py.File(path, "a") as file:
        for name in file["data"]:
            group = file["data"][name]
            for kind in ("obs", "next_obs"):
                group[f"{kind}/image"] = np.zeros((len(group["actions"]), 4, 4, 3), np.uint8)
    check_as_training_data(sources.load(str(path)))  # the one vector is taken
    with pytest.raises(InputError, match="field 'data/demo_0/obs/image' has dtype uint8"):
        sources.load(str(path), keys="image")


@pytest.mark.parametrize("version", ["first", "second"])
def test_d3rlpy(tmp_path, version):
    path = getattr(layouts, f"d3rlpy_{version}")(tmp_path / "mdp.h5", EPISODES)
    check(sources.load(str(path)), WITHOUT_FINAL, known(WITHOUT_FINAL))


@pytest.mark.parametrize("version", ["first", "second"])
def test_the_last_terminal_of_d3rlpy_is_kept(tmp_path, version):
    won = EPISODES[:2]  # ends by a terminal
    path = getattr(layouts, f"d3rlpy_{version}")(tmp_path / "mdp.h5", won)
    kept = [tuple(column[:-1] for column in won[0]), won[1]]
    check(sources.load(str(path)), kept, known(kept))


def test_the_parts_of_an_observation_of_d3rlpy(tmp_path):
    path = layouts.d3rlpy_second(tmp_path / "mdp.h5", EPISODES, split=True)
    with pytest.raises(InputError, match=r"field 'observations_0' has several entries: 0 \(1\), 1 \(1\)"):
        sources.load(str(path))
    check(sources.load(str(path), keys="0+1"), WITHOUT_FINAL, known(WITHOUT_FINAL))


@pytest.mark.parametrize(("truncated", "index"), [(True, True), (True, False), (False, True)])
def test_neorl(tmp_path, truncated, index):
    arrays = layouts.neorl_arrays(EPISODES, truncated, index)
    read = sources.load(str(saved(tmp_path / "train.npz", arrays)))
    check(read, EPISODES)
    check_as_training_data(read)
    arrays["index"] = np.array([0, 3])
    with pytest.raises(InputError, match=r"field 'done' is set at index \d+, where 'index' ends none"):
        sources.load(str(saved(tmp_path / "wrong.npz", arrays)))


def test_an_end_after_always_as_many_steps_is_told(tmp_path):
    same = [(o[:3], a[:2], r[:2], np.array([False, True])) for o, a, r, _ in EPISODES if len(a) > 1]
    path = saved(tmp_path / "train.npz", layouts.neorl_arrays(same))
    with pytest.warns(UserWarning, match="field 'done' ends every episode after the same 2 steps"):
        check(sources.load(str(path)), same)
    assert not sources.load_one(str(path), Wanted(resolve="timeout")).terminated.any()
    path = saved(tmp_path / "expert.npz", layouts.imitation_arrays(same))
    with pytest.warns(UserWarning, match="field 'terminal' ends every episode after the same 2 steps"):
        check(sources.load(str(path)), same)
    assert not sources.load_one(str(path), Wanted(resolve="timeout")).terminated.any()


def test_imitation(tmp_path):
    path = saved(tmp_path / "expert.npz", layouts.imitation_arrays(EPISODES))
    read = sources.load(str(path))
    check(read, EPISODES)
    check_as_training_data(read)
    path = saved(tmp_path / "behavior.npz", layouts.imitation_arrays(EPISODES, rewards=False))
    read = sources.read_one(str(path))
    assert not read.episodes.reward.any() and not read.origin.rewarded
    check_as_training_data(read.episodes)  # the task judges


def test_stable_baselines(tmp_path):
    path = saved(tmp_path / "expert.npz", layouts.stable_baselines_arrays(EPISODES))
    dropped = [tuple(column[:-1] for column in part[:3]) for part in EPISODES if len(part[1]) > 1]
    dropped = [(*part, np.zeros(len(part[1]), bool)) for part in dropped]
    check(sources.load(str(path)), dropped)
    ended = [(o, a, r, np.arange(len(a)) == len(a) - 1) for o, a, r, _ in EPISODES]
    check(sources.load_one(str(path), Wanted(resolve="terminal")), ended, known(ended))


@pytest.mark.parametrize("compact", [True, False])
@pytest.mark.parametrize("held", ["npz", "hdf5", "arrays"])
def test_ogbench_for_a_single_task(tmp_path, compact, held):
    arrays = layouts.single_task_arrays(EPISODES, compact)
    if held == "arrays":
        read = read_mapping(arrays, Wanted()).episodes
    else:
        read = sources.load(str(recordings.save(tmp_path / f"maze.{held}", arrays)))
    won = np.concatenate([recordings.reached(o[:-1]) for o, *_ in EPISODES])
    relabeled = [(o, a, recordings.reached(o[:-1]) - 1.0, t) for o, a, _, t in EPISODES]
    check(read, relabeled, terminals=won)
    check_as_training_data(read)


def test_masks_that_contradict_the_rewards(tmp_path):
    arrays = layouts.single_task_arrays(EPISODES)
    arrays["rewards"] = arrays["rewards"][::-1].copy()
    path = saved(tmp_path / "maze.npz", arrays)
    with pytest.raises(
        InputError, match=r"field 'masks' is . at index \d+, where the reward is .*just there"
    ):
        sources.load(str(path))


def test_masks_of_jaxrl(tmp_path):
    """There they are 0 at terminals, and `dones_float` marks every end."""
    arrays = recordings.own()
    ends = arrays.pop("terminals") | arrays["timeouts"]
    arrays["masks"] = 1.0 - (ends & ~arrays.pop("timeouts"))
    arrays["dones_float"] = ends.astype(np.float32)
    check(sources.load(str(saved(tmp_path / "buffer.npz", arrays))), EPISODES)


@pytest.mark.parametrize("container", ["npz", "hdf5", "arrays"])
def test_d4rl_with_named_observations(tmp_path, container):
    arrays = recordings.d4rl()
    whole = arrays.pop("observations")
    goal = np.full_like(whole[:, :1], recordings.GOAL)
    named = {"observation": whole[:, :1], "extra": whole[:, 1:], "desired_goal": goal}
    stored = arrays | {f"observations/{name}": array for name, array in named.items()}

    def load(keys):
        if container == "arrays":
            return read_mapping({**arrays, "observations": named}, Wanted(keys=keys)).episodes
        path = tmp_path / f"walks.{container}"
        return sources.load(str(recordings.save(path, stored)), keys="+".join(keys))

    own = recordings.own()
    np.testing.assert_array_equal(load(()).observation, own["observations"][:, :1])
    both = load(("desired_goal", "extra")).observation
    np.testing.assert_array_equal(both[:, 0], recordings.GOAL)
    np.testing.assert_array_equal(both[:, 1], own["observations"][:, 1])
    check_as_training_data(load(("observation", "extra")))


def test_minari_with_named_observations():
    name = recordings.write_minari("named/walks-v0", dictionary=True)
    read = sources.load(name, keys="achieved_goal+observation+desired_goal")
    np.testing.assert_array_equal(read.observation[:, :2], recordings.own()["observations"])
    np.testing.assert_array_equal(read.observation[:, 2], recordings.GOAL)
    with pytest.raises(InputError, match=r"episode 0: field 'observations' has no entry 'goal'"):
        sources.load(name, keys="goal")


def test_rewards_that_are_missing_are_told_for_a_dense_task(tmp_path):
    from rankq_jax import tasks
    from rankq_jax.tasks import training_data

    task = tasks.find("expert-pen")
    arrays = {
        "obs": np.zeros((6, 45), np.float32),
        "acts": np.zeros((5, 24), np.float32),
        "terminal": np.array([False]),
        "indices": np.zeros(0, int),
    }
    path = saved(tmp_path / "expert.npz", arrays)
    with pytest.warns(UserWarning, match="field 'rewards' is missing, so all of them are 0"):
        data = training_data.load(task, str(path), task.transform, 0.99)
    np.testing.assert_array_equal(data.reward, np.full(5, task.transform.bias, np.float32))
