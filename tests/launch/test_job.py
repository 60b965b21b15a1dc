"""One job in a subprocess: what its record says, what is tried again, what dies with whom."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from rankq_jax.launch import Job, errors, job, record
from tests.launch import launching
from tests.launch.launching import starts, until


@pytest.fixture
def out(tmp_path, monkeypatch):
    monkeypatch.chdir(launching.fake_checkout(tmp_path))
    return tmp_path / "runs"


def value(folder):
    return json.loads((folder / "summary.json").read_text())["value"]


def test_a_job_is_done_once(out):
    planned = Job("a", ("--config=x",))
    assert job.execute(planned, out) == job.Outcome("done", 0)
    known = record.read(out / "a")
    assert (known["state"], known["status"], known["failures"], known["starts"]) == ("done", 0, 0, 1)
    assert known["started"] < known["ended"] and known["host"]
    assert job.execute(planned, out) == job.Outcome("done", 0)
    assert len(starts(out / "a")) == 1  # skipped
    assert value(out / "a") == (1 * 3 + 2) * 3 + 3


def test_flags_name_the_folder_of_all_workdirs(tmp_path):
    line = job.command(Job("b", ("--config.preferences.expert={out}/a",)), tmp_path)
    assert line == [
        sys.executable, "-m", "rankq_jax.cli", "train",
        f"--config.preferences.expert={tmp_path}/a", f"--workdir={tmp_path}/b",
    ]  # fmt: skip


def test_a_crash_is_tried_again_and_goes_on(out):
    assert job.execute(Job("a", ("--crashes=2",)), out).state == "done"
    assert record.read(out / "a")["failures"] == 2 and len(starts(out / "a")) == 3
    assert value(out / "a") == 18


def test_a_job_that_always_crashes_is_given_up(out):
    planned = Job("a", ("--kills=9", "--rounds=30"))
    outcome = job.execute(planned, out)
    assert (outcome.state, outcome.status) == ("failed", -signal.SIGKILL)
    assert outcome.error.startswith("killed by SIGKILL, perhaps for want of memory (failed 3 times, --att")
    assert len(starts(out / "a")) == 3
    assert job.execute(planned, out) == outcome and len(starts(out / "a")) == 3  # not started again
    assert job.execute(planned, out, attempts=4).error.endswith("(failed 4 times, --attempts=5 tries again)")
    assert len(starts(out / "a")) == 4


def test_wrong_input_is_tried_again_by_the_next_invocation_alone(out):
    for times in (1, 2, 3, 4):
        outcome = job.execute(Job("a", ("--wrong",)), out)
        assert outcome == job.Outcome("failed", 2, "--rounds: makes no sense; take another.")
        assert len(starts(out / "a")) == record.read(out / "a")["failures"] == times
    assert job.execute(Job("a", ()), out).state == "done"


def test_a_stop_is_no_failure_and_loses_nothing(out):
    planned = Job("a", ("--rounds=5", "--seconds=0.1"))
    attempt = job.start(planned, out)
    until(lambda: (out / "a" / "metrics.jsonl").exists())
    attempt.process.send_signal(signal.SIGUSR1)
    assert job.finish(attempt) == job.Outcome("preempted", 75)
    assert record.read(out / "a")["failures"] == 0
    assert job.execute(planned, out).state == "done"
    assert value(out / "a") == (((1 * 3 + 2) * 3 + 3) * 3 + 4) * 3 + 5
    assert len((out / "a" / "metrics.jsonl").read_text().splitlines()) == 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2])
def test_death_by_a_request_before_it_is_handled_is_no_failure(out, number):
    attempt = job.start(Job("a", ()), out)
    attempt.process.send_signal(number)
    outcome = job.finish(attempt)
    assert outcome.state == "preempted" and outcome.status in (75, -number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2])
def test_signals_are_handed_on(out, number):
    planned = Job("a", ("--rounds=500", "--seconds=0.05"))
    threading.Thread(
        target=lambda: (
            until(lambda: (out / "a" / "metrics.jsonl").exists()),
            os.kill(os.getpid(), number),
        ),
        daemon=True,
    ).start()
    before = signal.getsignal(number)
    assert job.execute(planned, out) == job.Outcome("preempted", 75)
    assert signal.getsignal(number) is before
    assert f"stopped by {int(number)}" in (out / "a" / "job.log").read_text()


def test_a_stop_before_the_start_starts_nothing(out):
    stop = job.Stop()
    stop()
    assert job.execute(Job("a", ()), out, stop=stop) == job.Outcome("preempted")
    assert not (out / "a").exists()


def test_the_command_dies_with_whoever_started_it(out):
    code = "import sys, time; from pathlib import Path; from rankq_jax.launch import Job, job\n"
    code += "job.start(Job('a', ('--rounds=500', '--seconds=0.05')), Path('runs')); time.sleep(60)"
    variables = launching.environment(out.parent)
    launcher = subprocess.Popen([sys.executable, "-c", code], cwd=out.parent, env=variables)
    until(lambda: (out / "a" / "metrics.jsonl").exists())
    launcher.kill()
    launcher.wait()
    until(lambda: not record.busy(out / "a"))
    assert "stopped by 15" in (out / "a" / "job.log").read_text()  # with a checkpoint
    assert record.read(out / "a")["state"] == "running"  # nobody was left to say how it ended
    assert job.execute(Job("a", ("--rounds=20",)), out).state == "done"
    assert len((out / "a" / "metrics.jsonl").read_text().splitlines()) == 20


def test_it_waits_for_the_process_before(out, monkeypatch):
    (out / "a").mkdir(parents=True)
    with (out / "a" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        monkeypatch.setattr(job, "PATIENCE", 0.2)
        outcome = job.execute(Job("a", ()), out)
        assert outcome.state == "failed" and "another process works there" in outcome.error
        assert not (out / "a" / "job.json").exists()  # that one's record is not overwritten
        monkeypatch.setattr(job, "PATIENCE", 30.0)
        threading.Timer(0.3, lambda: fcntl.flock(lock, fcntl.LOCK_UN)).start()
        assert job.execute(Job("a", ()), out).state == "done"


def test_a_run_that_was_killed_before_its_page_is_completed(out):
    assert job.execute(Job("a", ()), out).state == "done"
    (out / "a" / "report" / "index.html").unlink()
    assert job.execute(Job("a", ()), out).state == "done"
    assert len(starts(out / "a")) == 2


def test_an_end_without_a_summary_is_a_failure(out, tmp_path):
    (tmp_path / "rankq_jax" / "cli" / "__main__.py").write_text("")
    outcome = job.execute(Job("a", ()), out)
    assert outcome.state == "failed" and "left no summary" in outcome.error


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    outcome = job.execute(Job("a", ()), tmp_path / "file")
    assert outcome.state == "failed" and outcome.status == 2
    assert "cannot be written to (Not a directory)" in outcome.error


def test_variables_and_cores_are_the_commands(out):
    core = max(os.sched_getaffinity(0))
    attempt = job.start(Job("a", ()), out, {"CUDA_VISIBLE_DEVICES": "7"}, [core])
    assert job.finish(attempt).state == "done"
    assert starts(out / "a") == [("7", str(core), str(attempt.process.pid))]


@pytest.mark.parametrize(
    ("text", "status", "expected"),
    [
        ("warning: no\nerror: the disk is full; free it.\nbye\n", 2, "the disk is full; free it."),
        ("10%\r20%\rerror: no\r30%", 3, "no"),
        ("Traceback\n  x()\nValueError: bad\n----\nframes removed\n", 1, "ValueError: bad"),
        (
            "jaxlib.XlaRuntimeError: RESOURCE_EXHAUSTED\n  note\n",
            1,
            "jaxlib.XlaRuntimeError: RESOURCE_EXHAUSTED",
        ),
        ("first\nlast words\n\n", 1, "last words"),
        ("", 9, "ended with status 9 and wrote nothing"),
        ("error: earlier\n", -11, "killed by SIGSEGV"),
    ],
)
def test_the_cause_is_one_line(tmp_path, text, status, expected):
    log = tmp_path / "job.log"
    log.write_text("error: of the attempt before\n" + text)
    assert errors.cause(status, log, len("error: of the attempt before\n")) == expected


def test_a_damaged_record_is_none(tmp_path):
    for text in ("", "{", "[]"):
        (tmp_path / "job.json").write_text(text)
        assert record.read(tmp_path) == {}
