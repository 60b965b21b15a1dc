"""Where episodes end: no row bootstraps across an end, in any layout, or the file is refused."""

import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest

from rankq_jax import tasks
from rankq_jax.data.readings import READINGS
from rankq_jax.data.recording import Origin
from rankq_jax.data.rules import RECORDING_RULES, Recorded
from rankq_jax.envs import adroit
from rankq_jax.envs.adroit import HANDS
from rankq_jax.envs.batch import batch_env, streams
from rankq_jax.errors import InputError
from rankq_jax.tasks import training_data
from rankq_jax.types import Episodes
from tests.fuzz import recorded

SHARED = Path(__file__).resolve().parents[2] / "../shared"
CASES = SHARED / "cases"
DOOR = tasks.find("adroit-door")
LAYOUTS = ("surplus", "plain", "terminals", "next", "episode_id", "ogbench", "ogbench_next", "minari")


def stored(folder, truth, name, layout, **changes):
    if layout == "minari":
        sizes = truth.observations[0].shape[1], truth.actions[0].shape[1]
        return recorded.write_minari(folder / "set", recorded.minari_groups(truth, name), sizes)
    arrays = {**recorded.flat(truth, name, layout), **changes}
    return recorded.write_flat(
        folder / "set.npz", {key: value for key, value in arrays.items() if value is not None}
    )


def load(path, name, reading="task"):
    task = tasks.find(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return training_data.load(task, str(path), task.transform, 0.99, reading=reading)


def straddling(truth, data):
    """Rows with a discount that lead anywhere but to the observation that followed them."""
    place = {row.tobytes(): (e, t) for e, o in enumerate(truth.observations) for t, row in enumerate(o)}
    bad = 0
    for observation, following, discount in zip(
        data.observation, data.next_observation, data.discount, strict=True
    ):
        e, t = place[observation.tobytes()]
        bad += discount > 0 and place.get(following.tobytes()) != (e, t + 1)
    return bad


@pytest.mark.parametrize("name", recorded.TASKS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("reading", READINGS)
def test_no_row_bootstraps_across_an_end(tmp_path, name, layout, reading):
    truth = recorded.record(np.random.default_rng(7), name)
    path = stored(tmp_path, truth, name, layout)
    try:
        data = load(path, name, reading)
    except InputError:
        # The raw rewards or the terminals of these recordings are not what the reading knows.
        assert reading in ("recorded", "rlpd") and name != "expert-pen"
        return
    assert straddling(truth, data) == 0
    assert len(data.reward) > 20 or reading in ("cal_ql", "rlpd")


@pytest.mark.parametrize("name", ["adroit-door", "adroit-pen", "pointmaze-umaze", "expert-pen"])
@pytest.mark.parametrize("layout", ["surplus", "plain"])
@pytest.mark.parametrize("shift", [None, -2, -1, 1, 2])
def test_missing_and_shifted_ends_are_refused(tmp_path, name, layout, shift):
    truth = recorded.record(np.random.default_rng(8), name)
    timeouts = recorded.flat(truth, name, layout)["timeouts"]
    wrong = None if shift is None else np.roll(timeouts, shift)
    path = stored(tmp_path, truth, name, layout, timeouts=wrong)
    with pytest.raises(
        InputError, match=r"set\.npz: .* at episode \d+, index \d+ \(rule 'jump'\); mark where"
    ):
        load(path, name)


def test_an_episode_that_outlasts_the_task_is_refused():
    rows, no = np.zeros((601, 39)), np.zeros(601, bool)
    one = Episodes(rows, np.zeros((601, 28)), np.zeros(601), rows, no, no, no, np.zeros(601, int), {})
    (rule,) = [rule for rule in RECORDING_RULES if rule.name == "duration"]
    found = rule.test(Recorded(one, 39, 28, longest=600))
    assert found.ok is False and found.row == 600
    assert rule.test(Recorded(one, 39, 28, longest=601)).ok is True
    two = one._replace(episode=np.arange(601) // 301)
    assert rule.test(Recorded(two, 39, 28, longest=301)).ok is True


def test_a_row_that_is_derived_is_not_compared_with_itself():
    no = np.zeros(2, bool)
    rows = np.arange(2.0)[:, None]
    apart = Episodes(rows, rows * 0, np.zeros(2), rows + 5, no, no, no, np.zeros(2, int), {})
    (rule,) = [rule for rule in RECORDING_RULES if rule.name == "one_episode_per_row"]
    assert rule.test(Recorded(apart, 1, 1)).ok is False
    found = rule.test(Recorded(apart, 1, 1, origin=Origin(derived=True)))
    assert found.ok is None and found.measured.startswith("not judged: next observations are")


FLAGS = {
    "terminations": "terminals", "is_terminal": "terminals", "truncations": "timeouts",
    "infos/TimeLimit.truncated": "timeouts", "dones": None, "is_last": None, "episode_starts": None,
    "episode_ends": None, "episode_lengths": None, "traj_ids": None,
}  # fmt: skip


def flag(name, ends, terminals, timeouts):
    """What a flag says, computed from where episodes end."""
    if FLAGS[name]:
        return terminals if FLAGS[name] == "terminals" else timeouts
    if name == "episode_starts":
        return np.append(True, ends[:-1])
    if name == "episode_ends":
        return np.flatnonzero(ends) + 1
    if name == "episode_lengths":
        return np.diff(np.flatnonzero(ends), prepend=-1)
    return np.cumsum(np.append(0, ends[:-1])) if name == "traj_ids" else ends


@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize("layout", ["plain", "terminals"])
def test_every_flag_of_ends_agrees_or_is_refused_by_its_name(tmp_path, name, layout):
    truth = recorded.record(np.random.default_rng(9), "adroit-door")
    arrays = recorded.flat(truth, "adroit-door", layout)
    terminals, timeouts = arrays["terminals"], arrays["timeouts"]
    ends = terminals | timeouts
    good = flag(name, ends, terminals, timeouts)
    without = load(stored(tmp_path / "", truth, "adroit-door", layout), "adroit-door")
    same = load(stored(tmp_path, truth, "adroit-door", layout, **{name: good}), "adroit-door")
    np.testing.assert_array_equal(same.observation, without.observation)
    if FLAGS[name] and not good.any():
        bad = np.arange(len(good)) == 5
    else:
        bad = flag(
            name,
            np.roll(ends, 1) | (np.arange(len(ends)) == len(ends) - 1),
            *(np.roll(x, 1) for x in (terminals, timeouts)),
        )
    with pytest.raises(InputError, match=f"field '{name}' at index"):
        load(stored(tmp_path, truth, "adroit-door", layout, **{name: bad}), "adroit-door")


@pytest.mark.parametrize("name", ["terminals", "timeouts"])
def test_ends_under_other_names_are_read(tmp_path, name):
    truth = recorded.record(np.random.default_rng(9), "adroit-door")
    layout = "terminals" if name == "terminals" else "plain"
    arrays = recorded.flat(truth, "adroit-door", layout)
    other = {"terminals": "terminations", "timeouts": "truncations"}[name]
    wanted = load(stored(tmp_path, truth, "adroit-door", layout), "adroit-door")
    named = {name: None, other: arrays[name]}
    read = load(stored(tmp_path, truth, "adroit-door", layout, **named), "adroit-door")
    np.testing.assert_array_equal(read.observation, wanted.observation)
    np.testing.assert_array_equal(read.discount, wanted.discount)
    if name == "timeouts":
        named = {"timeouts": None, "dones": arrays["timeouts"]}
        read = load(stored(tmp_path, truth, "adroit-door", layout, **named), "adroit-door")
        np.testing.assert_array_equal(read.observation, wanted.observation)


@pytest.mark.parametrize("name", HANDS)
def test_a_step_of_a_hand_stays_within_its_limit_and_a_reset_does_not(name):
    hand = HANDS[name]
    travel, most = adroit.joint_travel(hand)
    assert 0.09 < most < 0.12
    env, random = batch_env(adroit.simulate(hand, terminates=False), 8, 1), np.random.default_rng(2)
    state, action = env.reset(streams(1, 8)), np.zeros((8, env.action_size))
    for _ in range(hand.horizon):
        action = np.clip(action + random.normal(0, 0.2, action.shape), -1, 1)
        before = state.observation
        state, step = env.step(state, action, np.ones(8, bool))
        assert travel(before, step.next_observation).max() < most
    assert travel(step.next_observation, state.observation).min() > 1.5 * most  # the automatic reset


needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not there")


@needs_cases
@pytest.mark.parametrize("case", ["door_good.hdf5", "door_zero_rewards.hdf5"])
def test_the_good_file_is_read_row_by_row(case):
    """Against a reading of the file by h5py: the rows at timeouts hold final observations."""
    with h5py.File(CASES / case) as file:
        o, a, timeout = (file[key][()] for key in ("observations", "actions", "timeouts"))
    rows = np.flatnonzero(~timeout)
    starts, reached = o[rows, 28] >= 1.35, o[rows + 1, 28] >= 1.35
    rows, reached = rows[~starts], reached[~starts]
    data = load(CASES / case, "adroit-door")
    np.testing.assert_array_equal(data.observation, o[rows])
    np.testing.assert_array_equal(data.next_observation, o[rows + 1])
    np.testing.assert_array_equal(data.action, np.clip(a[rows], -0.99999, 0.99999).astype(np.float32))
    np.testing.assert_array_equal(data.reward, np.where(reached, 5.0, -5.0))
    np.testing.assert_array_equal(data.discount, np.where(reached, 0.0, 0.99).astype(np.float32))


@pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="the real demonstrations are not there")
def test_real_demonstrations_are_read_row_by_row():
    folder = SHARED / "data/D4RL/door/human-v2"
    with h5py.File(folder / "data/main_data.hdf5") as file:
        parts = [file[f"episode_{i}"]["observations"][()] for i in range(len(file))]
    before, after = np.concatenate([o[:-1] for o in parts]), np.concatenate([o[1:] for o in parts])
    kept = before[:, 28] < 1.35
    data = load(folder, "adroit-door")
    np.testing.assert_array_equal(data.observation, before[kept].astype(np.float32))
    np.testing.assert_array_equal(data.next_observation, after[kept].astype(np.float32))
    np.testing.assert_array_equal(data.reward == 5.0, after[kept, 28] >= 1.35)


@needs_cases
def test_cases_of_wrong_ends():
    with h5py.File(CASES / "door_every_end_terminal.hdf5") as file:
        o, ends = file["observations"][()], np.flatnonzero(file["terminals"][()])[:-1]
    path = CASES / "door_every_end_terminal.hdf5"
    for reading in ("task", "cal_ql", "rlpd"):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            data = training_data.load(DOOR, str(path), DOOR.transform, 0.99, reading=reading)
        message = str(told[0].message)
        assert "field 'next_observations' is missing, so where 3 terminals led is not in it" in message
        assert "first index 264" in message
        for row in ends:
            assert not (data.observation == o[row]).all(axis=1).any()
            assert not ((data.next_observation == o[row + 1]).all(axis=1) & (data.discount > 0)).any()
    with pytest.raises(InputError, match=r"door_no_timeouts.*index 265 \(rule 'jump'\); mark where episodes"):
        load(CASES / "door_no_timeouts.hdf5", "adroit-door")
