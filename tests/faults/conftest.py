"""One run that nobody has disturbed, and one that was stopped in the middle, for all tests of faults."""

import shutil
import subprocess

import pytest

from tests.faults.commands import Nursery
from tests.faults.comparison import compare
from tests.faults.scenarios import EXPERT, SCENARIOS

FLAGS = SCENARIOS[EXPERT].words


@pytest.fixture(scope="session")
def nursery(tmp_path_factory):
    with Nursery(tmp_path_factory.mktemp("said")) as nursery:
        yield nursery


@pytest.fixture(scope="session")
def train(nursery):
    """Starts the training command with a workdir, further flags, and what `Nursery.start` takes."""

    def start(folder, *flags, **rest):
        return nursery.start(*FLAGS, *flags, f"--workdir={folder}", **rest)

    return start


@pytest.fixture(scope="session")
def straight(train, tmp_path_factory):
    """The folder of the uninterrupted run."""
    folder = tmp_path_factory.mktemp("straight") / "run"
    result = train(folder).result()
    assert result.status == 0, result.error
    return folder


# Episodes of 300 steps in two environments: the first rows come to the buffers in the third round online,
# others in the fifth. So the newest checkpoint names a file of rows that the one before does not.
STOP = """
import os
import signal
from rankq_jax.loop import iteration

def dispatch_updates(state, *rest, inner=iteration.dispatch_updates):
    if state.progress.env_steps == 1_250:
        os.kill(os.getpid(), signal.SIGTERM)
    return inner(state, *rest)

iteration.dispatch_updates = dispatch_updates
"""


@pytest.fixture(scope="session")
def _stopped(train, straight, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stopped") / "run"
    prelude = folder.with_name("stop.py")
    prelude.write_text(STOP)
    result = train(folder, prelude=prelude).result()
    assert result.status == 75, result.error
    assert not (folder / "summary.json").exists()
    return folder


@pytest.fixture
def stopped(_stopped, tmp_path):
    """A copy of the folder of a run that was stopped in its online phase."""
    shutil.copytree(_stopped, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def assert_ends_alike(train, straight):
    """Goes on in a folder with the same command to the end, which must be that of the uninterrupted run."""

    def check(folder, *flags, without_best=False, **rest):
        result = train(folder, *flags, **rest).result()
        assert result.status == 0, result.error
        assert "Traceback" not in result.error
        # Flags that may change between a run and its continuation stay those of the first.
        found = compare(straight, folder)
        # Nor can the best checkpoint come back when somebody has deleted it.
        free = (*["config.json"] * bool(flags), *["the best checkpoint", "best "] * without_best)
        assert [line for line in found.mismatches if not line.startswith(free)] == []
        assert found.lost == 0
        return result

    return check


@pytest.fixture
def small_disk(tmp_path):
    """A disk of its own with a function that changes its size."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(*options):
        return subprocess.run(["mount", *options, str(place)], capture_output=True, text=True)

    made = mount("-t", "tmpfs", "-o", "size=16k", "rankq_jax-test")
    if made.returncode:
        pytest.skip(f"a disk of its own needs the right to mount one ({made.stderr.strip()})")
    try:
        yield place, lambda options: mount("-o", f"remount,{options}")
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def one_line(result, status, *words, warnings=0):
    """The last line that a command said on stderr, after checking status, words, and how many warnings came
    before."""
    assert result.status == status, result.error
    assert "Traceback" not in result.error and "Exception" not in result.error, result.error
    *before, line = result.lines
    assert len(before) <= warnings and all(one.startswith("warning: ") for one in before), result.lines
    for word in words:
        assert word in line, result.lines
    return line


def contents(folder):
    """Every file but the one that says who works in the folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "owner.json")
    return {path.relative_to(folder): path.read_bytes() for path in files}
