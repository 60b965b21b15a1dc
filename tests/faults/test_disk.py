"""Disks that are full or may not be written to. They are mounted for the test, which root alone may do."""

import shutil
import subprocess

import numpy as np
import pytest

from rankq_jax.cli import inspection
from rankq_jax.data import export
from rankq_jax.errors import InputError
from rankq_jax.types import Episodes
from tests.faults.comparison import newest
from tests.faults.conftest import contents, one_line
from tests.faults.watching import Watched

WORDS = ("No space left on device", "RESOURCE_EXHAUSTED", "no space", "Errno 28")


def assert_full(result, folder):
    """One line, that names the folder of the run and says that the disk is full."""
    # A run that had no room for a checkpoint says that it starts anew.
    line = one_line(result, 2, "error: ", str(folder), warnings=1)
    assert any(word in line for word in WORDS), line


def test_a_disk_that_is_too_small_and_grows(small_disk, train, assert_ends_alike):
    """Sizes at which config.json, events, the first checkpoint, and a later one or its rows are cut off."""
    place, remount = small_disk
    folder = place / "run"
    for size in ("16k", "64k", "400k", "1200k"):
        remount(f"size={size}")
        assert_full(train(folder).result(60), place)
    remount("size=50m")
    assert_ends_alike(folder)


def filled(place):
    """Leaves no byte free."""
    with (place / "ballast").open("wb", buffering=0) as file:
        with pytest.raises(OSError, match="No space left"):
            while True:
                file.write(b"x" * 65_536)


def test_a_disk_that_fills_up_online_and_at_the_report(small_disk, train, assert_ends_alike):
    place, remount = small_disk
    remount("size=10m")
    folder = place / "run"
    command = train(folder)
    assert command.until(lambda: Watched(folder, command).phase() == "online")
    filled(place)
    assert_full(command.result(60), folder)
    last = newest(folder)
    (place / "ballast").unlink()
    command = train(folder)
    assert command.until(lambda: (folder / "summary.json").exists())
    filled(place)
    result = command.result(60)
    assert int(newest(folder).name) > int(last.name)
    assert_full(result, folder / "report")
    (place / "ballast").unlink()
    assert_ends_alike(folder)


def test_records_alone_meet_the_full_disk(small_disk, train, assert_ends_alike):
    """Without checkpoints in between: lines of metrics and events are what comes first."""
    place, remount = small_disk
    remount("size=10m")
    folder = place / "run"
    seldom = ("--config.offline.checkpoint_every=0", "--config.online.checkpoint_every=0")
    few = (*seldom, "--config.keep_best_checkpoints=0")
    command = train(folder, *few)
    assert command.until(lambda: Watched(folder, command).phase() == "online")
    filled(place)
    assert_full(command.result(60), folder)
    (place / "ballast").unlink()
    assert_ends_alike(folder, *few)


def test_events_alone_meet_the_full_disk(small_disk, train, stopped):
    """Those of TensorBoard, whose own writer waits for ever for a thread that the disk has ended."""
    place, remount = small_disk
    remount("size=4k")
    shutil.rmtree(stopped / "tensorboard")
    (stopped / "tensorboard").symlink_to(place)
    one_line(train(stopped).result(60), 2, "tensorboard")


DIE = """
import os, signal
count = 0

def dying(*arguments, inner=os.{name}, **rest):
    global count
    count += 1
    made = inner(*arguments, **rest) if {late} else None
    if count > {after}:
        os.kill(os.getpid(), signal.SIGKILL)
    return made if {late} else inner(*arguments, **rest)

os.{name} = dying
"""


@pytest.mark.parametrize("moment", [("fsync", 0, False), ("fsync", 2, False), ("rename", 0, True)])
def test_a_killed_maker_leaves_nothing_that_its_command_does_not_remove(nursery, tmp_path, moment):
    root = tmp_path / "root"

    def make(text):
        prelude = tmp_path / "prelude.py"
        prelude.write_text(text)
        return nursery.start(
            "--task=pointmaze-umaze",
            "--steps=300",
            "--seed=4",
            environment={"MINARI_DATASETS_PATH": str(root)},
            prelude=prelude,
            module="experiments.make_dataset",
        ).result(60)

    name, after, late = moment
    assert make(DIE.format(name=name, after=after, late=late)).status == -9
    assert len(list(root.glob(".unfinished-*"))) == 1
    again = make("")
    assert again.status == 0, again.error
    assert ("exists already" in again.out) == late  # the dataset was there
    assert [path.name for path in root.iterdir()] == ["pointmaze-umaze"]
    assert not [path for path in root.rglob(".*")]


SIZES = ("4k", "12k", "24k", "48k", "96k", "160k")


def test_making_a_dataset_on_a_full_disk(small_disk, nursery, tmp_path):
    """HDF5 itself ends the process when it cannot write, wherever in the file that is."""
    place, remount = small_disk

    def make():
        root = {"MINARI_DATASETS_PATH": str(place)}
        words = ("--task=pointmaze-umaze", "--steps=1000", "--seed=4")
        return nursery.start(*words, environment=root, module="experiments.make_dataset")

    for size in SIZES:
        remount(f"size={size}")
        one_line(make().result(60), 2, "error: ", str(place), "No space left on device")
        assert list(place.rglob("*.*")) == [], size  # neither a part nor what was being made
    remount("size=5m")
    assert make().result(60).status == 0
    assert not list(place.glob(".*"))


@pytest.mark.parametrize("name", ["walks.hdf5", "walks.npz", "picture.png"])
def test_writing_a_file_on_a_full_disk(small_disk, name):
    place, remount = small_disk
    walk = recording(rows=3_000)  # some 100 kB
    for kilobytes in range(4, 88, 7):
        remount(f"size={kilobytes}k")
        with pytest.raises(InputError, match=rf"{name}: cannot be written.*(No space left|Errno 28)"):
            if name.endswith(".png"):
                inspection.write(place / name, bytes(100_000))
            else:
                export.write(walk, place / name)
        assert list(place.iterdir()) == [], kilobytes


def recording(rows):
    random, flag = np.random.default_rng(0), np.zeros(rows, bool)
    walk = random.normal(size=(rows + 1, 2))
    return Episodes(walk[:-1], walk[1:, :1], walk[1:, 0], walk[1:], flag, flag, flag, np.zeros(rows, int), {})


def test_a_folder_that_may_not_be_written_to(small_disk, train, straight, stopped):
    place, remount = small_disk
    remount("size=10m")
    shutil.copytree(stopped, place / "run")
    before = contents(place)
    remount("ro")
    try:
        for folder in (place / "run", place / "new"):
            one_line(train(folder).result(), 2, str(folder), "cannot be written to (Read-only file system)")
        assert contents(place) == before
    finally:
        remount("rw")


def test_nothing_of_the_tests_stays_mounted():
    assert "rankq_jax-test" not in subprocess.run(["mount"], capture_output=True, text=True).stdout
