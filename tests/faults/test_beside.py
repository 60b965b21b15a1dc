"""Evaluations beside the training that follows them leave what evaluations before it leave."""

import concurrent.futures
import json
import signal
import time
from types import SimpleNamespace

import numpy as np
import pytest

from rankq_jax.errors import NumericsError, Stopped
from rankq_jax.loop import Stage
from rankq_jax.timing import Stopwatch
from rankq_jax.training.beside import Beside
from rankq_jax.training.stopping import Requests
from tests.faults.comparison import about, compare, leaves, newest
from tests.faults.conftest import one_line
from tests.faults.test_numbers import POISON

FLAG = "--config.execution.evaluation=beside"
# How a run was computed is all that differs.
FREE = ("config.json: config is", "config.json: devices is", "summary.json: devices is")
# The evaluation of that number does not begin before a file is there.
HELD = """
import itertools
import os
import pathlib
import time
from rankq_jax.training.beside import Beside

def made(beside, steps, inner=Beside._made, count=itertools.count(1)):
    if str(next(count)) == os.environ.get("HELD"):
        while not (pathlib.Path(os.environ["RELEASED"]).exists() or beside._left.is_set()):
            time.sleep(0.01)
    return inner(beside, steps)

Beside._made = made
"""


@pytest.fixture
def held(train, tmp_path):
    """Starts a run whose evaluation of some number waits to be released."""
    prelude = tmp_path / "held.py"

    def start(number, *flags, more="", **variables):
        prelude.write_text(HELD + more)
        environment = {"HELD": str(number), "RELEASED": str(tmp_path / "released"), **variables}
        return train(tmp_path / "run", FLAG, *flags, prelude=prelude, environment=environment)

    return start


def updates(folder):
    """Of the last record of metrics."""
    path = folder / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    whole = [json.loads(line) for line in lines if line.endswith("\n")]
    return whole[-1]["updates"] if whole else 0


def test_a_run_that_is_killed_and_stopped_meanwhile_ends_like_a_sequential_one(held, straight, tmp_path):
    """Rounds of 20 updates offline; the second round online ends at 130."""
    folder = tmp_path / "run"
    command = held(3, "--config.checkpoint_minutes=1e-5")  # the clock asks for one at every event
    assert command.until(lambda: updates(folder) == 80), command.error()
    command.kill()
    assert about(newest(folder))["notes"]["updates"] == 40

    command = held(6)  # of this process; there were two before
    assert command.until(lambda: updates(folder) > 130), command.error()
    command.send(signal.SIGTERM)
    one_line(command.result(60), 75, "stopped: ")
    left = {name: value for name, value in leaves(newest(folder)).items() if "progress" in name}
    assert left["progress['stage']"] == Stage.EVALUATE and left["progress['updates']"] == 130

    result = held(0).result()
    assert result.status == 0, result.error
    found = compare(straight, folder)
    assert [line for line in found.mismatches if not line.startswith(FREE)] == [] and found.lost == 0
    assert json.loads((folder / "config.json").read_text())["devices"]["evaluation"] == "beside"


def test_an_evaluation_ends_before_bad_numbers_end_the_run(held, tmp_path):
    """A restart would begin at the checkpoint of that evaluation."""
    folder = tmp_path / "run"
    command = held(4, more=POISON, BAD_ATTEMPTS="9", AFTER="90")
    assert command.until(lambda: updates(folder) == 90), command.error()
    (tmp_path / "released").touch()
    result = command.result()
    one_line(result, 3, "metric", "of seed 0", f"The last healthy checkpoint is {newest(folder)}.")
    assert about(newest(folder))["notes"]["updates"] == 80 and about(newest(folder))["anchor"]
    lines = [json.loads(line)["updates"] for line in (folder / "evaluations.jsonl").read_text().splitlines()]
    assert lines == [20, 20, 40, 40, 60, 60, 80, 80]


@pytest.fixture
def one():
    """An evaluation of three steps and who makes it: `(begin, beside, told)`."""
    told = []
    records = SimpleNamespace(
        evaluated=lambda phase, progress, found, last: told.append(found),
        checkpoint_due=lambda: False,
        save=lambda draft, planned: told.append((draft, planned)) is None and draft.notes["updates"] > 0,
    )
    beside = Beside(records, Stopwatch(), Requests(), [5])

    def begin(steps, checkpoint, weight=1.0, updates=40):
        event = SimpleNamespace(
            steps=steps, phase="", progress=1, before=0, checkpoint=checkpoint, last=False
        )
        state = SimpleNamespace(parts={"agent": {"weight": np.array([weight])}})
        draft = SimpleNamespace(state=state, notes={"updates": updates})
        draft.at = lambda progress: draft
        beside.begin(event, draft)

    yield begin, beside, told
    beside.close()


def steps(end):
    yield 1
    yield 2
    if isinstance(end, Exception):
        raise end
    return end


def test_a_checkpoint_is_written_where_it_was_planned(one):
    begin, beside, told = one
    for planned in (False, True):
        begin(steps("found"), planned)
        assert beside.busy
        beside.finish()
        assert not beside.busy
    assert told[:2] == ["found", "found"] and told[2][1] is True and len(told) == 3
    beside.finish()  # there is nothing to wait for
    assert len(told) == 3


def test_a_state_with_bad_numbers_is_no_checkpoint(one):
    begin, beside, told = one
    begin(steps("found"), False, np.nan)
    beside.finish()  # as a run that evaluates first, which looks at what it saves
    begin(steps("found"), True, np.nan)
    with pytest.raises(NumericsError, match="after update 40 of seed 5"):
        beside.finish()
    assert told == ["found", "found"]


def long():
    for step in range(10_000):
        time.sleep(0.01)
        yield step


def test_an_evaluation_that_is_given_up_leaves_a_checkpoint(one):
    begin, beside, told = one
    begin(long(), True)
    with pytest.raises(Stopped, match=r"^$"):
        beside.give_up()
    assert [planned for _, planned in told] == [False] and not beside.busy


def test_a_stop_while_rows_are_gone_is_told(one):
    begin, beside, _ = one
    begin(long(), True, updates=0)  # which the stand-in does not write
    with pytest.raises(Stopped, match="deleted meanwhile"):
        beside.give_up()


def test_a_stop_while_a_bad_state_is_evaluated_tells_the_bad_number(one):
    begin, beside, told = one
    begin(long(), True, np.nan)
    with pytest.raises(NumericsError, match="after update 40 of seed 5"):
        beside.give_up()
    beside.finish()  # as the run does then: nothing is left to wait for
    assert told == []


def test_an_error_of_an_evaluation_ends_the_run(one):
    begin, beside, told = one
    begin(steps(ValueError("of the simulator")), True)
    with pytest.raises(ValueError, match="of the simulator"):
        beside.finish()
    assert told == []


def test_closing_ends_an_evaluation_between_two_steps(one):
    begin, beside, told = one
    closed = concurrent.futures.Future()

    def endless():
        try:
            while True:
                yield 1
        finally:
            closed.set_result(True)

    begin(endless(), True)
    beside.close()
    assert closed.result(0) and told == []
