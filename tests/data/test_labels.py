"""What a success is: by what the data can support, said in words, or refused."""

import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest

from rankq_jax import tasks
from rankq_jax.errors import InputError
from rankq_jax.tasks import training_data
from tests.fuzz import recorded

SHARED = Path(__file__).resolve().parents[2] / "../shared"
DOOR, PEN = tasks.find("adroit-door"), tasks.find("expert-pen")


def described(folder, task, reading="task", layout="surplus", needs_success=False, **changes):
    """The truth of a recording, and what a file of it with changed arrays becomes."""
    truth = recorded.record(np.random.default_rng(4), task.name)
    arrays = {**recorded.flat(truth, task.name, layout), **changes}
    arrays = {key: value for key, value in arrays.items() if value is not None}
    path = recorded.write_flat(folder / "set.npz", arrays)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = training_data.described(
            task, str(path), task.transform, 0.99, reading=reading, needs_success=needs_success
        )
    return truth, *found


def count(task, layout="surplus"):
    return len(
        recorded.flat(recorded.record(np.random.default_rng(4), task.name), task.name, layout)["actions"]
    )


@pytest.mark.parametrize("reading", ["task", "cal_ql", "rlpd"])
@pytest.mark.parametrize("raw", ["zero", "least", "dense", "binary"])
@pytest.mark.parametrize("flags", [True, False])
def test_successes_are_those_that_happened_whatever_the_rewards(tmp_path, reading, raw, flags):
    rows = count(DOOR)
    rewards = {"zero": np.zeros(rows), "least": np.full(rows, -1.0), "dense": np.linspace(-2, 0, rows)}
    changes = {"rewards": rewards[raw]} if raw in rewards else {}
    if not flags:
        changes["infos/success"] = None
    truth, data, summary = described(tmp_path, DOOR, reading, **changes)
    happened = {o[t].tobytes(): s[t] for o, s in zip(*truth[::2], strict=True) for t in range(len(s))}
    wanted = np.array([happened[row.tobytes()] for row in data.observation])
    np.testing.assert_array_equal(data.reward, np.where(wanted, 5.0, -5.0))
    np.testing.assert_array_equal(data.discount == 0.0, wanted & (reading != "rlpd"))
    source = "infos/success" if flags else "the raw rewards" if raw == "binary" else "the task's judge"
    assert summary.success_from == ("the task's judge" if reading == "task" else source)
    assert (summary.reading, summary.rows) == (reading, len(wanted))
    wins = [s.any() for s in truth.success]
    part = wins[: 9 * len(wins) // 10] if reading == "rlpd" else wins
    assert summary.successful == sum(part)
    if reading == "task":  # what follows the first success starts in the goal, and is dropped
        first = [int(np.argmax(s)) + 1 if s.any() else len(s) for s in truth.success]
        assert (summary.rows, summary.episodes) == (sum(first), len(first))
        won = sum(length for length, win in zip(first, wins, strict=True) if win)
        assert summary.share == pytest.approx(won / sum(first))
        assert summary.terminals == sum(wins)


@pytest.mark.parametrize("reading", ["cal_ql", "rlpd"])
@pytest.mark.parametrize("value", [True, False])
def test_flags_that_contradict_the_task_are_refused(tmp_path, reading, value):
    flags = np.full(count(DOOR), value)
    with pytest.raises(InputError, match=r"infos/success and the task's judge differ in \d+ of \d+ rows"):
        described(tmp_path, DOOR, reading, **{"infos/success": flags})


def test_rewards_that_contradict_the_task_are_refused(tmp_path):
    rewards = np.where(np.arange(count(DOOR)) % 2, 0.0, -1.0)
    with pytest.raises(InputError, match=r"the raw rewards and the task's judge differ in \d+ of"):
        described(tmp_path, DOOR, "cal_ql", rewards=rewards, **{"infos/success": None})


@pytest.mark.parametrize("reading", ["task", "cal_ql", "rlpd"])
def test_a_file_of_terminals_without_what_followed_is_refused(tmp_path, reading):
    every = np.ones(count(DOOR, "terminals"), bool)
    changes = {"terminals": every, "infos/success": every}
    with pytest.raises(
        InputError, match=r"'terminals' is set in \d+ rows from index 0 on, .* store next_obs"
    ):
        described(tmp_path, DOOR, reading, layout="terminals", **changes)


def test_recorded_rewards_that_call_every_step_a_success_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"'rewards' is 0, that of a success, .* choose the reading 'task'"):
        described(tmp_path, DOOR, "recorded", rewards=np.zeros(count(DOOR)))


@pytest.mark.parametrize("falls", [True, False])
def test_a_fall_is_no_success_of_a_dense_task(tmp_path, falls):
    """As a Hopper whose terminals are falls."""
    layout = "terminals" if falls else "surplus"
    without = {"layout": layout, "infos/success": None}
    _, data, summary = described(tmp_path, PEN, **without)
    assert not data.extras["success"].any() and summary.successful == 0 and summary.share == 0.0
    assert summary.success_from == "nothing: none is recorded"
    assert (data.discount == 0.0).any() == falls
    with pytest.raises(InputError, match=r"set\.npz: field 'infos/success' is missing from index 0 on"):
        described(tmp_path, PEN, needs_success=True, **without)


def test_two_rewards_of_a_dense_task_are_no_labels(tmp_path):
    rewards = (np.arange(count(PEN)) % 3 == 0) * 1.0
    _, data, _ = described(tmp_path, PEN, rewards=rewards, **{"infos/success": None})
    assert not data.extras["success"].any()


def test_recorded_flags_are_the_labels_of_a_dense_task(tmp_path):
    truth, data, summary = described(tmp_path, PEN, needs_success=True)
    assert summary.success_from == "infos/success"
    wins = [bool(s.any()) for s in truth.success]
    assert summary.successful == sum(wins)
    lengths = [len(s) for s in truth.success]
    np.testing.assert_array_equal(data.extras["success"], np.repeat(wins, lengths))


@pytest.mark.parametrize("value", [0, 1])
def test_flags_of_every_step_or_of_none_are_refused_where_they_are_ranked(tmp_path, value):
    flags = {"infos/success": np.full(count(PEN), bool(value))}
    with pytest.raises(InputError, match=rf"'infos/success' is {value} from index 0 to the end"):
        described(tmp_path, PEN, needs_success=True, **flags)
    assert described(tmp_path, PEN, **flags)[2].share == value  # other algorithms do not read it


def test_the_summary_is_one_line(tmp_path):
    summary = described(tmp_path, DOOR)[2]
    assert str(summary).startswith("reading 'task': ") and "\n" not in str(summary)
    assert str(summary).endswith("success from the task's judge")


@pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="the real demonstrations are not there")
def test_the_real_demonstrations_under_the_published_readings():
    folder = SHARED / "data/D4RL/door/human-v2"
    with h5py.File(folder / "data/main_data.hdf5") as file:
        flags = [file[f"episode_{i}"]["infos/success"][1:] for i in range(len(file))]
    won = [s for s in flags if s.any()]
    cut = [int(np.flatnonzero(s)[-1]) + 1 for s in won]
    long = pytest.warns(UserWarning, match="25 of 25 recorded episodes outlast the 200 steps .* has 300")
    with pytest.warns(UserWarning, match="every episode succeeds"), long:
        summary = training_data.described(DOOR, str(folder), DOOR.transform, 0.99, reading="cal_ql")[1]
    assert (summary.rows, summary.episodes, summary.share) == (sum(cut), len(won), 1.0)
    assert summary.terminals == sum(int(s.sum()) for s in flags)
    assert summary.success_from == "infos/success"
    with pytest.warns(UserWarning, match="25 of 25 recorded episodes outlast"):
        summary = training_data.described(DOOR, str(folder), DOOR.transform, 0.99, reading="rlpd")[1]
    kept = flags[: 9 * len(flags) // 10]
    assert (summary.rows, summary.terminals) == (sum(map(len, kept)), 0)
    assert summary.successful == sum(bool(s.any()) for s in kept)
