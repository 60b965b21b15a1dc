"""One command: what is missing is run, then the table is written about what has finished."""

import subprocess
import sys
from pathlib import Path

import pytest

from rankq_jax.launch import job, local, record, results, sweep
from tests.launch import launching

SWEEP = """
from rankq_jax.launch import Job
BUDGETS = {
    "cores": [Job("first", ("--config=a",)), Job("second", ("--config=b",))],
    "paper": [Job("long", ("--config=c",))],
}
"""


@pytest.fixture
def calls(monkeypatch):
    """Tables in place of being written; `{word in the command: its exit status}` says how jobs end."""
    trained, tables, statuses = [], [], {}

    def run(jobs, out, attempts):
        trained.append((jobs, out, attempts))
        ended = {}
        for planned in jobs:
            status = next((found for word, found in statuses.items() if word in planned.arguments), 0)
            state = {0: record.DONE, job.STOPPED: record.PREEMPTED}.get(status, record.FAILED)
            ended[planned.name] = job.Outcome(state, status, "broke" if state == record.FAILED else "")
        return ended

    def table(line):
        tables.append(line)
        return subprocess.CompletedProcess(line, statuses.get("table", 0))

    monkeypatch.setattr(local, "run", run)
    monkeypatch.setattr(results.subprocess, "run", table)
    monkeypatch.setattr(results.commands, "check", lambda jobs, out: None)
    return trained, tables, statuses


@pytest.fixture
def start(tmp_path):
    """Runs the command with flags and returns its exit status."""
    (tmp_path / "sweep.py").write_text(SWEEP)

    def main(*flags):
        return launching.status(results, tmp_path / "sweep.py", "--out=runs", "--table=t.md", *flags)

    return main


def test_every_job_and_then_the_table(calls, start, tmp_path):
    trained, tables, _ = calls
    assert start("--note=two words", "--note=more") == 0
    jobs = [sweep.Job("first", ("--config=a",)), sweep.Job("second", ("--config=b",))]
    assert trained == [(jobs, Path("runs"), job.ATTEMPTS)]
    # the document gives the command as a shell takes it
    command = (
        f"rankq sweep results {tmp_path}/sweep.py --out=runs --table=t.md '--note=two words' --note=more"
    )
    assert tables == [
        [
            sys.executable, "-m", "rankq_jax.cli", "table", "--out=t.md",
            f"--command={command}", "--note=two words", "--note=more", "--", "runs/first", "runs/second",
        ]
    ]  # fmt: skip


def test_a_failed_job_is_named_in_the_table_and_in_the_status(calls, start, capsys):
    _, tables, statuses = calls
    statuses["--config=a"] = 3
    assert start() == 1
    assert tables[0][-3:] == [
        "--note=Failed, and missing above: first (status 3).", "--", "runs/second",
    ]  # fmt: skip
    assert capsys.readouterr().err == "failed: first: broke\n"


def test_without_a_finished_job_there_is_no_table(calls, start, capsys):
    _, tables, statuses = calls
    statuses |= {"--config=a": 3, "--config=b": -9}
    assert start() == 1
    assert tables == []
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: no job has finished")


def test_the_status_of_a_refused_table_is_handed_on(calls, start):
    _, _, statuses = calls
    statuses["table"] = 2
    assert start() == 2


def test_another_budget(calls, start, capsys):
    trained, tables, _ = calls
    assert start("--budget=paper", "--reference=sac", "--attempts=5") == 0
    assert [planned.name for planned in trained[0][0]] == ["long"] and trained[0][2] == 5
    assert "--reference=sac" in tables[0]
    assert start("--budget=big") == 2
    assert "no budget 'big'" in capsys.readouterr().err and len(trained) == 1


def test_an_interruption(calls, start, capsys):
    _, tables, statuses = calls
    statuses["--config=b"] = job.STOPPED
    assert start() == 75
    assert "the same command goes on" in capsys.readouterr().err and tables == []
