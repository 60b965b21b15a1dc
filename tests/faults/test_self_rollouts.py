"""A run that collects before it learns, on features that are encoded once, is killed in every phase."""

import pytest

from tests.faults.comparison import about, compare, newest
from tests.faults.scenarios import SCENARIOS
from tests.faults.watching import Watched

WORDS = SCENARIOS["self-rollouts first"].words
# Waits to be killed at an event.
PAUSE = """
import pathlib
import time
from rankq_jax.training.records import Records

def write(records, event, inner=Records.write):
    if (type(event).__name__, event.phase, event.updates, event.env_steps) == PLACE:
        pathlib.Path(REACHED).touch()
        time.sleep(600)
    inner(records, event)

Records.write = write
"""


@pytest.fixture
def killed(nursery, tmp_path):
    """Kills the run of a folder at an event, when its checkpoints are written; notes of the newest one."""

    def kill(folder, *place):
        reached, prelude = tmp_path / f"reached-{'-'.join(map(str, place))}", tmp_path / "pause.py"
        prelude.write_text(PAUSE.replace("PLACE", repr(place)).replace("REACHED", repr(str(reached))))
        command = nursery.start(*WORDS, f"--workdir={folder}", prelude=prelude)
        assert command.until(reached.exists, 600), command.error()
        assert command.until(lambda: not Watched(folder, command).unfinished()), command.error()
        command.kill()
        return about(newest(folder))["notes"]

    return kill


@pytest.mark.slow
def test_it_ends_like_one_that_was_not_killed(nursery, killed, tmp_path):
    straight, folder = tmp_path / "straight", tmp_path / "run"
    result = nursery.start(*WORDS, f"--workdir={straight}").result(900)
    assert result.status == 0, result.error

    found = killed(folder, "Collected", "collect", 0, 40)
    assert (found["phase"], found["env_steps"]) == (0, 20)
    found = killed(folder, "Evaluating", "collect", 0, 60)
    assert (found["phase"], found["env_steps"]) == (0, 40)
    found = killed(folder, "Updated", "offline", 20, 60)
    assert (found["phase"], found["updates"]) == (1, 15)
    found = killed(folder, "Updated", "online", 36, 100)
    assert (found["env_steps"], found["updates"]) == (100, 32)

    result = nursery.start(*WORDS, f"--workdir={folder}").result(900)
    assert result.status == 0, result.error
    assert compare(straight, folder) == ([], 0)
