"""Numbers that go bad after a while, as a faulty machine or an unlucky seed makes them."""

import json

import numpy as np
import pytest

from tests.faults import comparison
from tests.faults.conftest import one_line

# Spoils the networks after 80 updates, in as many attempts as the variable says.
POISON = """
import os
import jax
import jax.numpy as jnp
from rankq_jax.loop import rounds

def poisoned(state, *rest, dispatched=rounds.dispatched):
    if state.progress.updates >= 80 and state.progress.attempt < int(os.environ["BAD_ATTEMPTS"]):
        spoil = lambda x: x * jnp.nan if jnp.issubdtype(x.dtype, jnp.floating) else x
        state = state._replace(agent=jax.tree.map(spoil, state.agent))
    return dispatched(state, *rest)

rounds.dispatched = poisoned
"""


@pytest.fixture
def poisoned(train, straight, tmp_path):
    """Starts a command whose first attempts go bad."""
    prelude = tmp_path / "poison.py"
    prelude.write_text(POISON)

    def start(folder, attempts, *flags):
        environment = {"BAD_ATTEMPTS": str(attempts)}
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
