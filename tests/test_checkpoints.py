"""States on disk: newest and best, damage that is stepped over, replay rows that are written once."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from rankq_jax.checkpoints import Checkpoints, ReplaySnapshot, Rows
from rankq_jax.errors import InputError

ROOT = Path(__file__).resolve().parent.parent
ROW = {"x": np.zeros((1, 2), np.float32)}


def state(value):
    return {"agent": {"weight": jnp.full(1000, value)}, "env": {"step": np.full(3, value)}}


def held(end, capacity=10):
    """Buffers of two seeds; row i holds i and its negative."""
    end = np.array(end)
    oldest = np.maximum(0, end - capacity)

    def since(first):
        first = np.maximum(first, oldest)
        data = [np.arange(a, b, dtype=np.float32) for a, b in zip(first, end, strict=True)]
        return Rows(first, [{"x": np.stack([rows, -rows], axis=1)} for rows in data])

    return ReplaySnapshot(oldest, since)


def numbers(rows, seed):
    return np.concatenate([some.data[seed]["x"][:, 0] for some in rows]).astype(int).tolist()


@pytest.fixture
def folder(tmp_path):
    """Three checkpoints were saved, two are kept."""
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=2)
    for i, end in enumerate(([3, 5], [8, 5], [9, 7])):
        checkpoints.save(state(float(i + 1)), {"position": i + 1}, held(end))
    checkpoints.close()
    return tmp_path / "checkpoints"


def opened(folder, like, row=ROW):
    return Checkpoints(folder, reading=True).restore(like, row)


def test_the_newest_are_kept_and_the_newest_is_restored(folder):
    assert Checkpoints(folder).numbers == [2, 3]
    found = opened(folder, state(0.0))
    np.testing.assert_array_equal(found.parts["agent"]["weight"], np.full(1000, 3.0))
    np.testing.assert_array_equal(found.parts["env"]["step"], np.full(3, 3.0))
    assert found.notes == {"position": 3} and found.number == 3 and found.damaged == []
    assert numbers(found.rows, 0) == list(range(9)) and numbers(found.rows, 1) == list(range(7))


def test_a_part_can_be_read_alone(folder):
    found = opened(folder, {"agent": state(0.0)["agent"]}, None)
    assert list(found.parts) == ["agent"] and found.rows == []


def test_the_best_are_kept_beside_the_newest(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=1, keep_best=2)
    for score in (0.1, 0.7, None, 0.9, 0.3, None):
        checkpoints.save(state(0.0), {}, score=score)
    checkpoints.close()
    again = Checkpoints(tmp_path / "checkpoints", keep=1, keep_best=2)
    assert again.numbers == [2, 4, 6] and again.marks.best == 4 and again.marks.best_score == 0.9
    again.save(state(0.0), {}, score=0.8)  # and it still knows the scores
    again.close()
    assert again.numbers == [4, 7]
    assert again.restore(state(0.0), number=again.marks.best).number == 4


def test_the_newest_anchor_is_kept_and_can_be_asked_for(tmp_path):
    folder = tmp_path / "checkpoints"
    checkpoints = Checkpoints(folder, keep=1)
    with pytest.raises(FileNotFoundError):
        checkpoints.restore(state(0.0), anchors=True)
    for number, anchor in enumerate((False, True, False, True, False, False), 1):
        checkpoints.save(state(float(number)), {}, anchor=anchor)
    checkpoints.close()
    again = Checkpoints(folder, keep=1)
    assert again.numbers == [4, 6]
    assert again.restore(state(0.0)).number == 6
    found = again.restore(state(0.0), anchors=True)
    assert found.number == 4 and found.parts["agent"]["weight"][0] == 4.0
    again.go_on_from(0)
    assert again.numbers == []
    again.save(state(0.0), {})
    again.close()
    assert again.numbers == [1]


def test_a_host_array_may_change_after_it_was_saved(tmp_path):
    value = state(1.0)
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(value, {})
    value["env"]["step"][:] = 9.0
    checkpoints.close()
    found = opened(tmp_path / "checkpoints", state(0.0))
    np.testing.assert_array_equal(found.parts["env"]["step"], np.full(3, 1.0))


def shortened(file):
    file.write_bytes(file.read_bytes()[:50])


def emptied(file):
    file.write_bytes(b"")


def flipped(file):
    content = bytearray(file.read_bytes())
    if content:
        content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))


def deleted(file):
    file.unlink()


@pytest.mark.parametrize("damage", [shortened, emptied, flipped, deleted])
@pytest.mark.parametrize("where", ["3", "3/agent", "3/about", "replay/rows-3.npz"])
def test_a_damaged_checkpoint_is_named_and_stepped_over(folder, damage, where):
    place = folder / where
    files = [file for file in [place, *place.rglob("*")] if file.is_file()]
    assert files
    for file in files:
        damage(file)
    found = opened(folder, state(0.0))
    assert found.number == 2 and found.notes == {"position": 2}
    np.testing.assert_array_equal(found.parts["agent"]["weight"], np.full(1000, 2.0))
    assert numbers(found.rows, 0) == list(range(8)) and numbers(found.rows, 1) == list(range(5))
    assert len(found.damaged) == 1 and "checkpoints/3: cannot be restored (" in found.damaged[0]
    assert (folder / "3").exists()  # reading deletes nothing
    checkpoints = Checkpoints(folder)
    checkpoints.go_on_from(found.number)
    assert checkpoints.save(state(4.0), {"position": 4}, held([12, 5])) == 3
    checkpoints.close()
    again = opened(folder, state(0.0))
    assert again.number == 3 and again.damaged == [] and again.notes == {"position": 4}
    assert numbers(again.rows, 0) == list(range(12))


def test_silent_damage_is_noticed(tmp_path):
    """A number in the notes that is still a number, and parts that are readable but of another state."""
    checkpoints = Checkpoints(tmp_path / "c")
    for value in (1.0, 2.0):
        checkpoints.save(state(value), {"position": 1234})
    checkpoints.close()
    shutil.rmtree(tmp_path / "c" / "2" / "env")
    shutil.copytree(tmp_path / "c" / "1" / "env", tmp_path / "c" / "2" / "env")
    found = opened(tmp_path / "c", state(0.0))
    assert found.number == 1 and "env is not what was saved" in found.damaged[0]
    notes = tmp_path / "c" / "1" / "about" / "metadata"
    notes.write_text(notes.read_text().replace("1234", "1235"))
    with pytest.raises(InputError, match="nor can those before it; put the files back"):
        opened(tmp_path / "c", state(0.0))


def test_another_structure_is_refused(folder):
    with pytest.raises(InputError, match="cannot be restored"):
        opened(folder, {"agent": {"weight": jnp.zeros(7)}})


def test_no_checkpoint(tmp_path):
    with pytest.raises(FileNotFoundError):
        Checkpoints(tmp_path / "checkpoints").restore(state(0.0))


def test_rows_are_written_once_and_given_up_when_the_buffers_have_lost_them(tmp_path):
    folder = tmp_path / "checkpoints"
    checkpoints = Checkpoints(folder, keep=1)
    for end in ([4, 2], [9, 2], [9, 2], [25, 11], [28, 13]):
        checkpoints.save(state(0.0), {}, held(end))
    checkpoints.close()
    sizes = {file.name: np.load(file)["seed0/leaf0"].shape[0] for file in (folder / "replay").iterdir()}
    # Nothing is new at the third. The first two lie below the oldest rows 15 and 1 of the fourth, as far as
    # seed 0 goes; seed 1 holds row 1, of the first segment, until the fifth, whose oldest row is 3.
    assert sizes == {"rows-1.npz": 4, "rows-4.npz": 10, "rows-5.npz": 3}
    found = opened(folder, state(0.0))
    assert numbers(found.rows, 0) == list(range(15, 28)) and numbers(found.rows, 1) == list(range(2, 13))
    last = Checkpoints(folder, keep=1)
    last.go_on_from(5)
    last.save(state(0.0), {}, held([28, 13]))  # what no checkpoint names any more goes with the next
    last.close()
    assert sorted(file.name for file in (folder / "replay").iterdir()) == ["rows-4.npz", "rows-5.npz"]


def test_rows_that_were_deleted_during_the_run_are_written_again(tmp_path):
    folder = tmp_path / "checkpoints"
    checkpoints = Checkpoints(folder)
    checkpoints.save(state(1.0), {}, held([4, 2]))
    checkpoints.wait()
    shutil.rmtree(folder)
    checkpoints.save(state(2.0), {}, held([6, 3]))
    checkpoints.close()
    found = opened(folder, state(0.0))
    assert numbers(found.rows, 0) == list(range(6)) and numbers(found.rows, 1) == list(range(3))


def test_rows_of_a_checkpoint_that_cannot_be_read_now_are_not_deleted(folder, monkeypatch):
    """A passing error of a disk must not cost rows: nobody knows which the checkpoint names."""
    before = {file.name for file in (folder / "replay").iterdir()}
    checkpoints = Checkpoints(folder)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "_about", lambda number: 1 / 0)
        checkpoints.save(state(4.0), {}, held([12, 9]))
    checkpoints.close()
    assert before <= {file.name for file in (folder / "replay").iterdir()}


def test_after_damage_and_deletions_the_next_checkpoint_has_all_rows(folder):
    shutil.rmtree(folder / "2")
    (folder / "3" / "about" / "metadata").write_text("{}")
    checkpoints = Checkpoints(folder)
    for end in ([10, 8], [12, 9]):
        checkpoints.save(state(4.0), {}, held(end))
    checkpoints.close()
    found = opened(folder, state(0.0))
    assert found.number == 5 and found.damaged == []
    assert numbers(found.rows, 0)[-10:] == list(range(2, 12)) and numbers(found.rows, 1) == list(range(9))


def test_a_copy_whose_earlier_rows_are_deleted_is_not_written(folder):
    checkpoints = Checkpoints(folder)
    checkpoints.go_on_from(3)
    copied = checkpoints.copy(state(4.0), held([11, 8]))
    shutil.rmtree(folder / "replay")
    assert checkpoints.write(copied, {}) == 0 and checkpoints.numbers == [2, 3]
    assert checkpoints.save(state(5.0), {}, held([12, 9])) == 4
    checkpoints.close()
    found = opened(folder, state(0.0))
    assert found.number == 4 and numbers(found.rows, 1) == list(range(9))


def test_what_a_killed_process_leaves_half_written_is_taken_out(folder):
    unfinished = folder / "4.orbax-checkpoint-tmp-1"
    shutil.copytree(folder / "3", unfinished)
    (unfinished / "commit_success.txt").unlink()
    (folder / "replay" / "rows-4.tmp").write_bytes(b"half")
    assert opened(folder, state(0.0)).number == 3
    checkpoints = Checkpoints(folder)
    assert checkpoints.numbers == [2, 3]
    checkpoints.save(state(4.0), {}, held([9, 7]))
    checkpoints.close()
    assert not list(folder.glob("*tmp*")) and not list((folder / "replay").glob("*.tmp"))


def test_a_write_that_fails_is_said_and_leaves_the_checkpoint_before(folder, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    checkpoints = Checkpoints(folder)
    checkpoints.go_on_from(3)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"checkpoints: the checkpoint was not written \(.*No space left"):
        checkpoints.save(state(4.0), {}, held([11, 7]))
        checkpoints.close()
    monkeypatch.undo()
    found = opened(folder, state(0.0))
    assert found.number == 3 and numbers(found.rows, 0) == list(range(9))


# Orbax waits for its own threads by the system's clock; here that jumps whenever it is looked at. What it
# leaves behind then warns at the end of the process, so that it has one of its own.
JUMPING = """
import itertools, os, sys, time
from pathlib import Path
from rankq_jax.checkpoints import Checkpoints
from rankq_jax.errors import Stopped
from tests.test_checkpoints import held, state

checkpoints = Checkpoints(Path(sys.argv[1]))
jumps = itertools.count()
time.time = lambda: 1e9 + 1e5 * next(jumps)
try:
    for value in range(5):
        checkpoints.save(state(float(value)), {}, held([11, 7]))
        checkpoints.wait()
except Stopped as request:
    print(request, flush=True)
os._exit(0)
"""


def test_a_checkpoint_that_a_jump_of_the_clock_spoils_stops_the_run(folder):
    command = [sys.executable, "-c", JUMPING, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.stdout == f"{folder}: a checkpoint was not written in time\n", done.stderr
    found = opened(folder, state(0.0))
    assert found.number >= 3 and found.damaged == []


def test_saving_does_not_wait_for_the_disk(tmp_path, monkeypatch):
    sync, slept = os.fsync, []

    def slow(descriptor):
        slept.append(True)
        time.sleep(1.0)
        sync(descriptor)

    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(state(0.0), {})
    checkpoints.wait()
    monkeypatch.setattr(os, "fsync", slow)
    begin = time.perf_counter()
    checkpoints.save(state(1.0), {}, held([4, 2]))
    assert time.perf_counter() - begin < 0.7
    checkpoints.close()
    assert slept and time.perf_counter() - begin > 1.0
