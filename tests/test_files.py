"""Files and folders that appear whole or not at all, and what is left of those who were killed."""

import os
import signal
import subprocess
import sys

import pytest

from rankq_jax import files

DIES = """
import os, pathlib, signal, sys
from rankq_jax import files
place = pathlib.Path(sys.argv[1])
making = files.atomic(place / "a.txt") if sys.argv[2] == "file" else files.staging(place)
with making as made:
    if sys.argv[2] == "file":
        made.write(b"half")
        made.flush()
    else:
        (made / "half").write_text("half")
    print("here", flush=True)
    if sys.argv[3] == "now":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.stdin.read()
"""


def start(place, what, when):
    process = subprocess.Popen(
        [sys.executable, "-c", DIES, place, what, when],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "here\n"
    return process


def unfinished(place):
    return [path for path in place.rglob("*") if path.name.startswith(files.PREFIX)]


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_the_dead_left_is_removed_and_what_the_living_make_is_not(tmp_path, what):
    dead, living = (start(tmp_path, what, when) for when in ("now", "later"))
    dead.communicate()
    assert dead.returncode == -signal.SIGKILL
    assert len(unfinished(tmp_path)) in (1, 2)  # the one that started later may have removed the other
    other = tmp_path / f"{files.PREFIX}0-b.txt"
    other.write_text("of another file")
    if what == "file":
        files.write(tmp_path / "a.txt", b"whole")
        assert (tmp_path / "a.txt").read_bytes() == b"whole" and other.exists()
        other.unlink()
    else:
        with files.staging(tmp_path) as folder:
            assert folder.is_dir() and not other.exists()
    assert len(unfinished(tmp_path)) == 1
    living.communicate("")
    assert living.returncode == 0 and unfinished(tmp_path) == []
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == (
        {"a.txt": b"half"} if what == "file" else {}
    )


@pytest.mark.parametrize("error", [OSError("no"), KeyboardInterrupt()])
def test_an_error_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "a.bin"
    files.write(path, b"old")
    with pytest.raises(type(error)), files.atomic(path) as file:
        file.write(b"new")
        raise error
    assert path.read_bytes() == b"old" and unfinished(tmp_path) == []


def test_the_usual_rights(tmp_path):
    files.write(tmp_path / "a", b"")
    (tmp_path / "b").write_bytes(b"")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_a_name_as_long_as_may_be(tmp_path):
    path = tmp_path / ("é" * 100 + "x" * 55)
    assert len(os.fsencode(path.name)) == 255
    files.write(path, b"whole")
    assert path.read_bytes() == b"whole"


def test_a_lock_is_held_by_one_and_leaves_nothing(tmp_path):
    lock = tmp_path / "lock"
    with files.claimed(lock) as first, files.claimed(lock, wait=False) as second:
        assert first and not second
    assert not lock.exists()


def test_whoever_waited_for_a_lock_holds_the_file_that_is_there(tmp_path, monkeypatch):
    """A lock on a file that its last holder has removed would keep nobody out."""
    lock, take, removed = tmp_path / "lock", files.fcntl.flock, []

    def flock(file, how):
        if not removed:
            removed.append(lock.unlink())
        take(file, how)

    monkeypatch.setattr(files.fcntl, "flock", flock)
    with files.claimed(lock), files.claimed(lock, wait=False) as second:
        assert removed and lock.exists() and not second
