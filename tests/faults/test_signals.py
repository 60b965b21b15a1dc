"""Requests to stop: at every place of a run, one and many, and the same command afterwards."""

import itertools
import json
import shutil
import signal
import time

import pytest

from rankq_jax.loop import Stage
from tests.faults.comparison import leaves, newest
from tests.faults.watching import Watched

SECONDS = 10.0  # from a signal to the end: the promise for the demo task


def stopped_by(command, number):
    """Seconds that a run takes to end with status 75 and one line."""
    begin = time.monotonic()
    command.send(number)
    result = command.result(60)
    seconds = time.monotonic() - begin
    assert result.status == 75, (result.status, result.error)
    assert result.lines[-1].startswith("stopped: ") and len(result.lines) == 1, result.lines
    return seconds


def test_every_signal_at_another_place(train, tmp_path, assert_ends_alike):
    folder = tmp_path / "run"
    moments = {
        signal.SIGINT: lambda watched: watched.phase() == "offline",
        signal.SIGUSR1: lambda watched: watched.begun() and bool(watched.unfinished()),
        signal.SIGTERM: lambda watched: watched.evaluating(),
        signal.SIGUSR2: lambda watched: watched.phase() == "online",
    }
    for number, moment in moments.items():
        command = train(folder)
        watched = Watched(folder, command)
        assert command.until(lambda: moment(watched))  # noqa: B023
        assert stopped_by(command, number) < SECONDS
        assert newest(folder).exists()
    assert_ends_alike(folder)


def test_before_training_has_begun(train, straight, tmp_path, assert_ends_alike):
    """From the first moment in which signals are heard, among others while programs are compiled."""
    folder = tmp_path / "run"
    command = train(folder)
    assert command.until(lambda: (folder / "owner.json").exists())
    assert stopped_by(command, signal.SIGTERM) < SECONDS
    assert_ends_alike(folder)


# In the eighth evaluation, the second one online, at the hundredth step of its episodes.
INTERRUPTION = """
import itertools
import os
import signal
import sys
import rankq_jax.loop

module = sys.modules["rankq_jax.loop.iteration"]

def interrupted(*arguments, evaluating=module.evaluating, count=itertools.count(1)):
    number, steps = next(count), evaluating(*arguments)
    for call in itertools.count(1):
        try:
            made = next(steps)
        except StopIteration as end:
            return end.value
        if (number, call) == (8, 100):
            os.kill(os.getpid(), signal.SIGTERM)
        yield made

module.evaluating = interrupted
"""


def test_an_evaluation_is_given_up_and_made_again(train, tmp_path, assert_ends_alike):
    prelude, folder = tmp_path / "interruption.py", tmp_path / "run"
    prelude.write_text(INTERRUPTION)
    result = train(folder, prelude=prelude).result()
    assert result.status == 75, result.error
    lines = [json.loads(line) for line in (folder / "evaluations.jsonl").read_text().splitlines()]
    places = [(line["updates"], line["env_steps"]) for line in lines]
    assert len(set(places)) == 7 and len(places) == 2 * 7
    progress = {name: value for name, value in leaves(newest(folder)).items() if "progress" in name}
    assert progress["progress['stage']"] == Stage.EVALUATE and progress["progress['env_steps']"] == 500
    assert_ends_alike(folder)


@pytest.mark.parametrize("beginning", [0.0, None])
def test_a_storm_of_signals(beginning, train, tmp_path, assert_ends_alike):
    folder = tmp_path / "run"
    command = train(folder)
    watched = Watched(folder, command)
    if beginning is None:
        assert command.until(lambda: watched.phase() == "online")
    begin = time.monotonic()
    for _ in itertools.count():
        if command.ended():
            break
        command.send(signal.SIGTERM)
        time.sleep(0.02)
    result = command.result()
    assert time.monotonic() - begin < SECONDS
    if result.status == -signal.SIGTERM:  # Python had not come to the command yet
        assert not folder.exists()
    else:
        assert result.status == 75, (result.status, result.error)
        assert "Traceback" not in result.error and len(result.lines) <= 1, result.error
    assert_ends_alike(folder)


# Where all updates are made: before the summary is written, and while the report is.
LATE = """
import os
import signal
import {module} as module

def interrupted(*arguments, inner=module.{name}):
    os.kill(os.getpid(), signal.SIGTERM)
    return inner(*arguments)

module.{name} = interrupted
"""


@pytest.mark.parametrize(
    ("module", "name"),
    [("rankq_jax.training.train", "summarise"), ("rankq_jax.training.report", "_landscapes")],
)
def test_a_trained_run_does_not_wait_for_its_report(module, name, train, tmp_path, assert_ends_alike):
    prelude, folder = tmp_path / "late.py", tmp_path / "run"
    prelude.write_text(LATE.format(module=module, name=name))
    result = train(folder, prelude=prelude).result()
    assert result.status == 75, (result.status, result.error)
    words = f"{folder} is trained, its report is missing; the same command with --workdir={folder} goes on"
    assert result.lines == [f"stopped: {words}"]
    assert (folder / "summary.json").exists() and not (folder / "report" / "index.html").exists()
    assert_ends_alike(folder)


# While Python ends, which takes a while: what is registered first runs last.
ENDING = """
import atexit
import os
import signal

atexit.register(os.kill, os.getpid(), signal.SIGTERM)
"""


def test_a_signal_after_the_end_changes_nothing(train, straight, tmp_path):
    prelude, folder = tmp_path / "ending.py", tmp_path / "run"
    prelude.write_text(ENDING)
    shutil.copytree(straight, folder)
    result = train(folder, prelude=prelude).result()
    assert (result.status, result.lines) == (0, []), result.error
    assert "finished already" in result.out


def test_a_round_is_left_between_two_dispatches(stopped, assert_ends_alike):
    """Asked in the first of the five dispatches of a round, which was finished and no other begun."""
    progress = {name: value for name, value in leaves(newest(stopped)).items() if "progress" in name}
    assert progress["progress['env_steps']"] == 1_250 and progress["progress['stage']"] == Stage.UPDATE
    assert progress["progress['dispatches']"] == 1
    assert_ends_alike(stopped)
