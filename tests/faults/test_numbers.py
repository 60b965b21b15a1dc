"""Numbers that go bad after a while, as a faulty machine or an unlucky seed makes them."""

import json
import signal

import numpy as np
import pytest

from tests.faults import comparison
from tests.faults.conftest import one_line

# Spoils the networks after so many updates, in as many attempts as the variables say; before that it may ask
# the run to stop, and kill it where the second attempt begins.
POISON = """
import os
import signal
import jax
import jax.numpy as jnp
from rankq_jax.loop import iteration

def poisoned(state, *rest, dispatch_updates=iteration.dispatch_updates):
    updates = str(state.progress.updates)
    if updates == os.environ.get("STOP") and state.progress.attempt == 0:
        os.kill(os.getpid(), signal.SIGTERM)
    if updates == os.environ.get("KILL") and state.progress.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    after = int(os.environ.get("AFTER", "80"))
    if state.progress.updates >= after and state.progress.attempt < int(os.environ["BAD_ATTEMPTS"]):
        spoil = lambda x: x * jnp.nan if jnp.issubdtype(x.dtype, jnp.floating) else x
        state = state._replace(agent=jax.tree.map(spoil, state.agent))
    return dispatch_updates(state, *rest)

iteration.dispatch_updates = poisoned
"""


@pytest.fixture
def poisoned(train, straight, tmp_path):
    """Starts a command whose first attempts go bad."""
    prelude = tmp_path / "poison.py"
    prelude.write_text(POISON)

    def start(folder, attempts, *flags, **variables):
        environment = {"BAD_ATTEMPTS": str(attempts), **variables}
        return train(folder, *flags, prelude=prelude, environment=environment)

    return start


def finite(checkpoint):
    return all(np.isfinite(value).all() for value in comparison.leaves(checkpoint).values())


def test_no_restart_is_left(poisoned, tmp_path):
    folder = tmp_path / "run"
    result = poisoned(folder, 9).result()
    healthy = comparison.newest(folder)
    one_line(result, 3, "metric", "of seed 0", f"The last healthy checkpoint is {healthy}.")
    assert finite(healthy) and comparison.about(healthy)["notes"]["updates"] == 80
    assert not (folder / "summary.json").exists()


def test_a_passing_fault_and_a_kill_in_the_second_attempt(poisoned, tmp_path):
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    result = poisoned(straight, 2, "--config.restarts=2").result()
    assert result.status == 0, result.error
    assert result.error.count("The last healthy checkpoint is") == 2
    assert "Restart 1 of 2." in result.error and "Restart 2 of 2." in result.error
    assert json.loads((straight / "summary.json").read_text())["restarts"] == 2
    assert finite(comparison.newest(straight))
    command = poisoned(killed, 2, "--config.restarts=2")
    assert command.until(lambda: "Restart 2 of 2." in command.error())
    command.kill()
    result = poisoned(killed, 2, "--config.restarts=2").result()
    assert result.status == 0, result.error
    assert comparison.compare(straight, killed) == ([], 0)


def test_a_restart_begins_where_it_would_have_without_a_stop(poisoned, tmp_path):
    """A stop leaves a checkpoint that an undisturbed run does not have."""
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    flags = {"AFTER": "95"}  # rounds of 20, dispatches of 5
    result = poisoned(straight, 1, "--config.restarts=1", **flags).result()
    assert result.status == 0, result.error
    assert poisoned(stopped, 1, "--config.restarts=1", **flags, STOP="80").result().status == 75
    left = comparison.leaves(comparison.newest(stopped))
    assert left["progress['updates']"] == 85 and left["progress['dispatches']"] == 1
    result = poisoned(stopped, 1, "--config.restarts=1", **flags).result()
    assert result.status == 0 and "Restart 1 of 1." in result.error, result.error
    assert comparison.compare(straight, stopped) == ([], 0)


def test_a_restart_without_any_checkpoint_begins_anew(poisoned, straight, tmp_path):
    """Of the plan, that is: one by the clock is there, and would be another one at each run."""
    folders = tmp_path / "one", tmp_path / "another"
    for folder, minutes in zip(folders, (0.0005, 0.0), strict=True):
        flags = [f"--config.checkpoint_minutes={minutes}", "--config.keep_best_checkpoints=0"]
        flags += ["--config.offline.checkpoint_every=0", "--config.restarts=1"]
        if minutes:
            assert poisoned(folder, 1, *flags, KILL="0").result().status == -signal.SIGKILL
        result = poisoned(folder, 1, *flags).result()
        assert result.status == 0, result.error
    found = comparison.compare(*folders)
    assert [line for line in found.mismatches if not line.startswith("config.json")] == []
    assert found.lost == 0
