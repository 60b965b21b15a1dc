"""States from the workdirs alone."""

import fcntl
import io
import json
import os
import re
import socket
import time

import pytest
from rich.console import Console

from rankq_jax.launch import Job, states
from tests.launch import launching

HERE = socket.gethostname()


def workdir(out, name, **files):
    """A workdir with JSON files; `metrics` is a list of `(phase, seed, updates, seconds)`."""
    folder = out / name
    folder.mkdir(parents=True)
    for stem, value in files.items():
        if stem == "metrics":
            lines = [{"phase": p, "seed": s, "updates": u, "seconds": {"total": t}} for p, s, u, t in value]
            (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        else:
            (folder / f"{stem}.json").write_text(json.dumps(value))
    return folder


CONFIG = {"config": {"offline": {"updates": 900}, "online": {"env_steps": 200, "updates_per_step": 0.5}}}
DISPATCHES = [
    (phase, seed, updates, seconds)
    for phase, updates, seconds in (
        ("offline", 100, 2.0),
        ("online", 110, 11.0),
        ("online", 130, 11.1),
        ("online", 250, 25.0),
    )
    for seed in (0, 1)
]


def of(out, name):
    return states.of(Job(name, ()), out)


def test_a_job_that_nobody_has_started(tmp_path):
    assert of(tmp_path, "a") == states.State("a", "queued")
    (tmp_path / "a").mkdir()
    assert of(tmp_path, "a").state == "queued"


def test_a_running_job_has_progress_rate_and_time_left(tmp_path):
    folder = workdir(tmp_path, "a", config=CONFIG, metrics=DISPATCHES)
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"seed": 0, "upd')  # being written
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # 250 of 900 + 200 / 2 updates; online 140 in 14 s; 750 are left
        expected = states.State("a", "running", 0.25, 10.0, 75.0, 0, "started by hand")
        assert of(tmp_path, "a") == expected
    assert of(tmp_path, "a")[:4] == ("a", "preempted", 0.25, None)


def test_a_record_of_a_process_that_is_gone(tmp_path):
    record = {"state": "running", "host": HERE, "process": os.getpid()}  # not that job's process
    workdir(tmp_path, "a", job=record, config=CONFIG, metrics=DISPATCHES[:2])
    assert of(tmp_path, "a") == states.State("a", "preempted", 0.1, detail="the same command goes on")


def test_a_process_that_has_not_taken_the_lock_yet(tmp_path, monkeypatch):
    monkeypatch.chdir(launching.fake_checkout(tmp_path))
    from rankq_jax.launch import job

    attempt = job.start(Job("a", ("--rounds=500", "--seconds=0.05")), tmp_path / "runs")
    assert of(tmp_path / "runs", "a")[:2] == ("a", "running")
    attempt.process.terminate()
    job.finish(attempt)
    assert of(tmp_path / "runs", "a").state == "preempted"


def test_a_job_on_another_machine_runs_while_there_are_signs(tmp_path):
    record = {"state": "running", "host": "elsewhere", "process": 1}
    folder = workdir(tmp_path, "a", job=record, metrics=DISPATCHES)
    assert of(tmp_path, "a")[-1] == "on elsewhere" and of(tmp_path, "a").state == "running"
    old = time.time() - states.GRACE - 10
    os.utime(folder / "job.json", (old, old))
    assert of(tmp_path, "a").state == "running"  # its metrics are new
    os.utime(folder / "metrics.jsonl", (old, old))
    assert of(tmp_path, "a").state == "preempted"


def test_a_failed_job_has_its_error(tmp_path):
    record = {"state": "failed", "status": 2, "error": "[b] it broke", "failures": 2, "host": HERE}
    workdir(tmp_path, "a", job=record, config=CONFIG)
    assert of(tmp_path, "a") == states.State("a", "failed", 0.0, failures=2, detail="[b] it broke")


def test_a_done_job_has_its_success_rates(tmp_path):
    summary = {
        "seeds": [0, 1],
        "offline_success_rate": [None, None],
        "final_success_rate": [0.25, 1.0],
    }
    folder = workdir(tmp_path, "a", summary=summary)
    assert of(tmp_path, "a").state != "done"  # its page is being written
    (folder / "report").mkdir()
    (folder / "report" / "index.html").touch()
    assert of(tmp_path, "a") == states.State("a", "done", 1.0, detail="success final 0.62 (2 seeds)")


def test_only_the_end_of_long_metrics_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(states, "TAIL", 300)
    rounds = [("offline", 0, u, u / 10.0) for u in range(10, 1000, 10)]
    folder = workdir(tmp_path, "a", config=CONFIG, metrics=rounds)
    text = (folder / "metrics.jsonl").read_text()
    (folder / "metrics.jsonl").write_text("not JSON\n" * 1000 + text)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert of(tmp_path, "a")[1:4] == ("running", 0.99, pytest.approx(10.0))


@pytest.mark.parametrize("damaged", ["", "{", "[1]", '{"config": 3}', '{"config": {"offline": {}}}'])
def test_a_damaged_workdir_still_has_a_state(tmp_path, damaged):
    folder = workdir(tmp_path, "a", metrics=DISPATCHES)
    (folder / "config.json").write_text(damaged)
    assert of(tmp_path, "a")[:3] == ("a", "preempted", None)


ERROR = "error " * 60
SHOWN = [
    states.State("one", "running", 0.333, 12.34, 3725.0, 1, "on host"),
    states.State("two", "failed", None, None, None, 3, f"[red]{ERROR}end"),
]


def test_the_table_where_no_terminal_reads_it(capsys):
    states.show(SHOWN)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["job", "state", "progress", "updates/s", "left", "failures", "what"]
    assert lines[1].split() == ["one", "running", "33", "%", "12.3", "1:02:05", "1", "on", "host"]
    assert lines[2].split(maxsplit=3) == ["two", "failed", "3", f"[red]{ERROR}end"]
    assert lines[3:] == ["2 jobs: 1 running, 1 failed"]


def test_the_table_on_a_terminal(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(
        states, "Console", lambda **options: Console(file=screen, force_terminal=True, width=100, **options)
    )
    states.show(SHOWN)
    assert "\x1b[31mfailed" in screen.getvalue()
    plain = re.sub(r"\x1b\[[\d;]*m", "", screen.getvalue())
    assert max(map(len, plain.splitlines())) <= 100
    assert screen.getvalue().count("error") == 60  # folded, not cut


def test_the_command(tmp_path):
    (tmp_path / "sweep.py").write_text(
        "from rankq_jax.launch import Job\nSWEEP = [Job('a', ()), Job('b', ())]\n"
    )
    workdir(tmp_path / "runs" / "sweep", "b", job={"state": "failed", "error": "broke", "failures": 1})
    done = launching.launch("launch.status", "sweep.py", cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "2 jobs: 1 queued, 1 failed"
    done = launching.launch("launch.status", "sweep.py", "--json", cwd=tmp_path)
    assert [(state["name"], state["state"], state["detail"]) for state in json.loads(done.stdout)] == [
        ("a", "queued", ""), ("b", "failed", "broke"),
    ]  # fmt: skip
