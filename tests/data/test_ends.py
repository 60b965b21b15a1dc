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
from rankq_jax.envs.batch import batch_env
from rankq_jax.envs.streams import streams
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


def wandering(random, n, size, t, last):
    return np.clip(last + random.normal(0, 0.2, last.shape), -1, 1)


def uniform(random, n, size, t, last):
    return random.uniform(-1, 1, (n, size))


def jumping(random, n, size, t, last):
    return random.choice([-1.0, 1.0], (n, size))


def held(random, n, size, t, last):
    """Targets at bounds, held for a while."""
    return jumping(random, n, size, t, last) if t % 12 == 0 else last


def bursts(random, n, size, t, last):
    """Jumping targets, then none."""
    return jumping(random, n, size, t, last) if t // 5 % 2 == 0 else 0.0 * last


def together(random, n, size, t, last):
    """All joints from bound to bound."""
    return np.full((n, size), 1.0 if t // 9 % 2 else -1.0)


BEHAVIOURS = (wandering, uniform, jumping, held, bursts, together)


def acted(name, behaviour, seed):
    """Eight whole episodes of a behaviour: `[8, T + 1, O]` and `[8, T, A]`."""
    env = batch_env(adroit.simulate(HANDS[name], terminates=False), 8, 1)
    random, state = np.random.default_rng(seed), env.reset(streams(seed, 8))
    action, seen, actions = np.zeros((8, env.action_size)), [state.observation], []
    for t in range(env.horizon):
        action = behaviour(random, 8, env.action_size, t, action)
        state, step = env.step(state, action.astype(np.float32), np.ones(8, bool))
        seen.append(step.next_observation)
        actions.append(action.astype(np.float32))
    return np.stack(seen, 1).astype(np.float32), np.stack(actions, 1)


def written(path, seen, actions, episodes, ends):
    """Flat arrays without next observations of some episodes, which end after `ends` steps."""
    rows = {"observations": [], "actions": [], "timeouts": []}
    for e, end in zip(episodes, ends, strict=True):
        rows["observations"].append(seen[e, : end + 1])
        rows["actions"].append(np.concatenate([actions[e, :end], actions[e, -1:]]))
        rows["timeouts"].append(np.arange(end + 1) == end)
    arrays = {key: np.concatenate(parts) for key, parts in rows.items()}
    count = len(arrays["actions"])
    arrays |= {"rewards": np.full(count, -1.0), "terminals": np.zeros(count, bool)}
    return recorded.write_flat(path, arrays), arrays


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
@pytest.mark.parametrize("name", HANDS)
def test_violent_behaviour_is_accepted_and_each_reset_in_it_is_refused(tmp_path, name, behaviour):
    seen, actions = acted(name, behaviour, seed=4)
    ends = [actions.shape[1] - 7 * e for e in range(8)]
    path, arrays = written(tmp_path / "x.npz", seen, actions, range(8), ends)
    data = load(path, f"expert-{name}")  # needs no success
    assert len(data.reward) == sum(ends)
    assert straddling(recorded.Truth(list(seen), list(actions), None), data) == 0
    last = np.flatnonzero(arrays["timeouts"])
    for e, row in enumerate(last[:-1]):
        joined = {**arrays, "timeouts": arrays["timeouts"] & (np.arange(len(arrays["timeouts"])) != row)}
        where = rf"at episode {e}, index {ends[e]} \(rule 'jump'\)"
        with pytest.raises(InputError, match=where):
            load(recorded.write_flat(tmp_path / "y.npz", joined), f"expert-{name}")


@pytest.mark.parametrize("name", HANDS)
def test_a_hand_is_told_to_come_to_rest(name):
    """The way there takes several steps, from any pose and at any speed."""
    hand = HANDS[name]
    bounds = adroit.hand.load_model(hand.file).actuator_ctrlrange
    rest = (0.0 - bounds.mean(axis=1)) / (0.5 * (bounds[:, 1] - bounds[:, 0]))

    def home(random, n, size, t, last):
        return np.tile(rest, (n, 1)) if t % 20 >= 8 else held(random, n, size, t % 20, last)

    seen, actions = acted(name, home, seed=6)
    for measure, most in (adroit.joint_return(hand), adroit.joint_travel(hand)):
        steps = seen[:, :-1], seen[:, 1:], actions
        assert measure(*(part.reshape(-1, part.shape[-1]) for part in steps)).max() < 0.9 * most


def test_the_pull_of_an_actuator_explains_a_movement():
    """By hand: the pen's first joint, gain 10 against damping 0.5, covers 0.2 of the way in 0.01 s."""
    measure, most = adroit.joint_travel(HANDS["pen"])
    low, high = -0.524, 0.175  # rad, of the joint and of its targets
    before, after, action = np.zeros((3, 45)), np.zeros((3, 45)), np.zeros((3, 24))
    before[:, 0], after[:, 0], action[:, 0] = low, [low + 0.05, low + 0.2, low + 0.2], [1.0, 1.0, -1.0]
    others = measure(before * 0, after * 0, action)  # at rest nothing moves
    assert (others == 0).all() and most == pytest.approx(0.1)
    pull = np.array([0.2 * (high - low), 0.2 * (high - low), 0.0])
    expected = np.maximum(np.array([0.05, 0.2, 0.2]) - pull, 0) / (high - low) / 24
    np.testing.assert_allclose(measure(before, after, action), expected, atol=1e-4)


def test_a_jump_elsewhere_is_noticed_where_no_arm_moves_the_hand(tmp_path):
    seen, actions = acted("pen", wandering, seed=5)
    seen, moved = seen[:, :60], seen[:, :60].copy()
    moved[3, 40:, :24] += 0.25 * np.array([0.7, 1.4, 0.87, *[1.57] * 21])
    load(written(tmp_path / "x.npz", seen, actions, range(8), [59] * 8)[0], "expert-pen")
    path = written(tmp_path / "y.npz", moved, actions, range(8), [59] * 8)[0]
    with pytest.raises(InputError, match=r"joints move beyond what pulls them by .* at episode 3, index 39 "):
        load(path, "expert-pen")


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
