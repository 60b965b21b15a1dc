"""A mapping file says which array is what; everything it says wrongly is one line."""

import json

import h5py
import numpy as np
import pytest

from rankq_jax.data import sources
from rankq_jax.errors import InputError
from tests.data import recordings
from tests.data.test_sources_formats import check_as_training_data
from tests.data.test_sources_of_others import EPISODES, check

OWN = {
    "file": "log file.npz",
    "observations": ["robot/x", "robot/rest"],
    "next_observations": ["after/x", "after/rest"],
    "actions": "control",
    "rewards": "r",
    "terminals": "over",
    "timeouts": "late",
    "success": "won",
}


def log():
    """The walks under names of nobody."""
    own = recordings.own()
    named = {"control": own["actions"][:, 0], "r": own["rewards"], "over": own["terminals"]}
    named |= {"late": own["timeouts"], "won": own["rewards"] > 0, "other": np.array([b"text"])}
    for group, key in (("robot", "observations"), ("after", "next_observations")):
        named |= {f"{group}/x": own[key][:, 0], f"{group}/rest": own[key][:, 1:]}
    return named


def yaml(about):
    lines = [f"{k}: [{', '.join(v)}]" if isinstance(v, list) else f"{k}: {v}" for k, v in about.items()]
    return "# a log of ours\n" + "\n".join(lines)


@pytest.mark.parametrize("write", [json.dumps, yaml])
@pytest.mark.parametrize("container", ["npz", "hdf5"])
def test_flat_arrays_of_any_name(tmp_path, write, container):
    recordings.save(tmp_path / f"log file.{container}", log())
    path = tmp_path / "walks"
    path.write_text(write({**OWN, "file": f"log file.{container}"}))
    read = sources.load(str(path))
    check(read, EPISODES)
    np.testing.assert_array_equal(read.success, recordings.own()["rewards"] > 0)
    check_as_training_data(read)


@pytest.mark.parametrize("final", [True, False])
def test_groups_with_an_episode_each(tmp_path, final):
    """As ManiSkill's, with the final observation; or as logs that store the next ones."""
    with h5py.File(tmp_path / "demos.h5", "w") as file:
        for number, (observation, action, reward, terminal) in enumerate([*EPISODES, *[EPISODES[0]] * 7]):
            group = file.create_group(f"all/traj_{number}")
            group["obs/state"] = observation if final else observation[:-1]
            group["after"] = observation[1:]
            group["actions"], group["rewards"], group["terminated"] = action, reward, terminal
        file["all/notes"] = [1, 2]
    about = {"file": "demos.h5", "episodes": "all/traj_*", "observations": "obs/state", "actions": "actions"}
    about |= {"rewards": "rewards", "terminals": "terminated"} | (
        {} if final else {"next_observations": "after"}
    )
    (tmp_path / "demos.yaml").write_text(yaml(about))
    check(sources.load(str(tmp_path / "demos.yaml")), [*EPISODES, *[EPISODES[0]] * 7])


def test_what_is_left_out(tmp_path):
    recordings.save(tmp_path / "log file.npz", log())
    short = {key: OWN[key] for key in ("file", "observations", "next_observations", "actions", "timeouts")}
    (tmp_path / "walks.json").write_text(json.dumps(short))
    with np.load(tmp_path / "log file.npz") as stored:  # ends that are none are those of the file
        late = stored["late"]
    read = sources.read_one(str(tmp_path / "walks.json"))
    assert not read.origin.rewarded and not read.episodes.reward.any() and not read.episodes.terminated.any()
    np.testing.assert_array_equal(np.flatnonzero(np.diff(read.episodes.episode)), np.flatnonzero(late)[:-1])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"file": "no.npz"}, r"^\S+walks.yaml: key 'file' names \S+no.npz, which is no file"),
        ({"file": "walks.yaml"}, r"key 'file' names \S+walks.yaml, which is neither HDF5, npz nor parquet"),
        ({"file": None}, "key 'file' is missing"),
        ({"observations": None}, "key 'observations' is missing"),
        ({"observations": []}, "key 'observations' is no name of an array"),
        ({"actions": ["control", "r"]}, "key 'actions' is no name of an array"),
        ({"action": "control"}, "key 'action' is unknown. Did you mean 'actions'"),
        (
            {"rewards": "reward"},
            r"^\S+log file.npz: field 'reward' is missing, which .*walks.yaml says are the",
        ),
        ({"observations": "robot"}, "field 'robot' is missing"),
        ({"next_observations": ["robot/x", "robot/rest"]}, "is the same as 'observations' from index 0 on"),
        ({"observations": ["robot/x"]}, "'next_observations' has 2 numbers per step from index 0 on"),
        ({"terminals": None, "timeouts": None}, "nothing says where episodes end; give terminals"),
        ({"episodes": "robot"}, r"key 'episodes' needs one \* in its last name"),
        ({"episodes": "none_*"}, "key 'episodes' matches no group of"),
        ({"terminals": "other"}, "field 'other' has dtype|field 'terminals' has dtype"),
    ],
)
def test_what_is_wrong_with_a_mapping_file(tmp_path, change, words):
    recordings.save(tmp_path / "log file.npz", log())
    about = {key: value for key, value in {**OWN, **change}.items() if value is not None}
    (tmp_path / "walks.yaml").write_text(yaml(about))
    with pytest.raises(InputError, match=words) as raised:
        sources.load(str(tmp_path / "walks.yaml"))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    ["a: &a [x]\n" + "b: [*a, *a]\n" * 3, "[" * 30_000, "{" * 30_000, "x: " * 9_000, "\x00", "file: &x [*x]"],
)
def test_texts_that_would_grow(tmp_path, text):
    (tmp_path / "walks.yaml").write_text(text)
    with pytest.raises(InputError) as raised:
        sources.load(str(tmp_path / "walks.yaml"))
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 600
