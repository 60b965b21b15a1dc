"""One command: what is missing is run, then the table is written about what has finished."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rankq_jax.launch import carrying, job, local, record, results, sweep
from tests.launch import launching

SWEEP = """
from rankq_jax.launch import Job
BUDGETS = {
    "cores": [Job("first", ("--config=a",)), Job("second", ("--config=b",))],
    "paper": [Job("long", ("--config=c",))],
}
"""


def finish(folder, text="{}"):
    """A workdir as a finished run leaves it."""
    for name in ("summary.json", "report/index.html", "config.json", "checkpoints/7/state", "tensorboard/x"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.fixture
def calls(monkeypatch):
    """Tables in place of being written; `{word in the command: its exit status}` says how jobs end."""
    trained, tables, statuses = [], [], {}

    def run(jobs, out, attempts, minutes):
        trained.append((jobs, out, attempts))
        ended = {}
        for planned in jobs:
            status = next((found for word, found in statuses.items() if word in planned.arguments), 0)
            state = {0: record.DONE, job.STOPPED: record.PREEMPTED}.get(status, record.FAILED)
            if state == record.DONE:
                finish(out / planned.name)
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
def start(tmp_path, monkeypatch):
    """Runs the command with flags and returns its exit status."""
    (tmp_path / "sweep.py").write_text(SWEEP)
    monkeypatch.chdir(tmp_path)

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


def test_the_table_of_what_is_done_when_the_time_is_up(calls, start, monkeypatch, capsys):
    _, tables, statuses = calls
    statuses["--config=b"] = job.STOPPED
    clock = iter((0.0, 60.0))
    monkeypatch.setattr(results.time, "monotonic", lambda: next(clock))
    assert start("--minutes=1") == 75
    assert tables[0][-3:] == ["--note=Not finished, and missing above: second.", "--", "runs/first"]
    assert "the same command goes on" in capsys.readouterr().err


KEPT = ("config.json", "report/index.html", "summary.json")


def test_a_folder_that_is_no_place_to_carry_jobs_is_refused(calls, start, capsys):
    trained, _, _ = calls
    Path("file").write_text("")
    for flags, told in (
        (["--carry=file"], "error: --carry=file: is no folder; give one, which may be new."),
        (["--carry=runs", "--out=runs"], "error: --carry=runs: is the folder of --out; give another one."),
    ):
        assert start(*flags) == 2 and capsys.readouterr().err.splitlines() == [told]
    assert trained == []


def test_jobs_that_another_machine_has_finished_are_in_the_table_and_not_run(calls, start):
    trained, tables, _ = calls
    finish(Path("there/second"))
    assert start("--carry=here", "--carry=there") == 0
    assert [planned.name for planned in trained[0][0]] == ["first"]
    assert tables[0][-2:] == ["runs/first", "there/second"]
    # What was done anywhere can be handed on, without what only one machine needs.
    kept = sorted(str(path.relative_to("here")) for path in Path("here").rglob("*") if path.is_file())
    assert kept == [f"{job}/{name}" for job in ("first", "second") for name in KEPT]
    assert start("--carry=here", "--carry=there", "--out=elsewhere") == 0
    assert trained[1][0] == [] and tables[1][-2:] == ["here/first", "here/second"]


def test_a_folder_that_was_carried_must_be_there_and_be_of_the_same_jobs(calls, start, capsys):
    trained, _, _ = calls
    assert start("--carry=here", "--carry=absent") == 2
    told = "error: --carry=absent: is not there; only the first folder may be new."
    assert capsys.readouterr().err.splitlines() == [told]
    Path("wrong").write_text("")
    assert start("--carry=wrong/here") == 2
    told = "error: --carry=wrong/here: cannot be made (Not a directory); give another one."
    assert capsys.readouterr().err.splitlines() == [told]
    finish(Path("there/second"))
    record.write(Path("there/second"), {"arguments": ["--config=other"]})
    assert start("--carry=there") == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: there/second: holds another job, --config is other there and b here; "
        "give another --carry, or take it as it is with --accept-changes."
    ]
    assert trained == []


def test_the_table_is_written_before_what_cannot_be_handed_on(calls, start, monkeypatch, capsys):
    _, tables, _ = calls

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(carrying.shutil, "copy2", full)
    assert start("--carry=here") == 2 and len(tables) == 1
    assert "here/first: cannot be copied from runs/first (No space left on device)" in capsys.readouterr().err


def files(folder):
    return {str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file()}


def begin(folder, size=1, **checkpoints):
    """A workdir with checkpoints of a size: `c12=40` is number 12 after 40 updates, an anchor if negative."""
    for name, updates in checkpoints.items():
        about = Path(folder, "checkpoints", name[1:], "about", "metadata")
        about.parent.mkdir(parents=True, exist_ok=True)
        notes = {"notes": {"updates": abs(updates), "env_steps": 0}, "anchor": updates < 0}
        about.write_text(json.dumps(notes))
        about.with_name("x").write_bytes(bytes(size))
    Path(folder, "config.json").write_text("{}")


def numbers(folder):
    return sorted(int(path.name) for path in Path(folder, "checkpoints").iterdir() if path.name.isdigit())


@pytest.fixture
def stopped(calls):
    """All jobs are stopped before they have done anything."""
    _, _, statuses = calls
    statuses |= {"--config=a": job.STOPPED, "--config=b": job.STOPPED}


def test_a_begun_job_goes_on_elsewhere(stopped, start, capsys):
    begin("runs/first", c4=-10, c12=30)
    begin("runs/second", c4=10, c12=30)
    Path("runs/first/checkpoints/13.orbax-checkpoint-tmp").mkdir()
    Path("runs/first/checkpoints/13.orbax-checkpoint-tmp/x").write_bytes(bytes(17 * 2**20))
    Path("runs/second/checkpoints/replay").mkdir()
    Path("runs/second/checkpoints/replay/rows").write_bytes(bytes(17 * 2**20))
    assert start("--carry=here") == 75
    assert "second: its checkpoint takes 17 MiB, so it is not handed on" in capsys.readouterr().err
    assert [path.name for path in Path("here").iterdir()] == ["first"]
    assert start("--carry=here", "--out=elsewhere") == 75
    assert files("elsewhere") == files("here") and numbers("elsewhere/first") == [4, 12]


def test_of_large_checkpoints_the_newest_and_what_a_restart_begins_at_are_handed_on(stopped, start):
    begin("runs/first", 6 * 2**20, c2=-5, c4=-10, c9=20, c12=30)
    assert start("--carry=here") == 75 and numbers("here/first") == [4, 12]


def test_the_furthest_workdir_of_a_job_goes_on_and_is_kept(stopped, start):
    begin("runs/first", c3=10)
    begin("near/first", c7=20)
    begin("far/first", c5=60)
    assert start("--carry=near", "--carry=far") == 75
    assert numbers("runs/first") == numbers("near/first") == [5]
    begin("other/first", c9=40)
    assert start("--carry=far", "--out=other") == 75
    assert numbers("other/first") == numbers("far/first") == [5]


def test_what_is_further_where_it_was_carried_stays(stopped, start, monkeypatch):
    begin("runs/first", c3=10)
    begin("far/first", c5=60)
    monkeypatch.setattr(record, "busy", lambda folder: folder == Path("runs/first"))
    assert start("--carry=far") == 75
    assert numbers("runs/first") == [3] and numbers("far/first") == [5]


def test_a_workdir_in_use_is_not_copied(stopped, start, monkeypatch, capsys):
    begin("runs/first", c3=10)
    monkeypatch.setattr(record, "busy", lambda folder: folder == Path("runs/first"))
    assert start("--carry=here") == 75
    assert "first: a process works in its workdir, so it is not handed on" in capsys.readouterr().err
    assert not Path("here/first").exists()


def test_what_another_job_needs_is_handed_on_with_its_checkpoint(calls, start, tmp_path, capsys):
    trained, _, statuses = calls
    (tmp_path / "sweep.py").write_text(SWEEP.replace("--config=b", "--expert={out}/first"))
    finish(Path("there/first"))  # with a checkpoint
    finish(Path("bare/first"))
    shutil.rmtree("bare/first/checkpoints")
    statuses["--expert={out}/first"] = job.STOPPED
    begin("runs/second", c3=10)
    assert start("--carry=there") == 75
    assert [planned.name for planned in trained[0][0]] == ["first", "second"]
    assert record.finished(Path("runs/first")) and numbers("runs/first") == [7]
    told = "second: its configuration names the workdir of first on this machine, so it is not handed on"
    assert told in capsys.readouterr().err and not Path("there/second").exists()
    # Records alone are no expert: the job is made again.
    statuses["--config=a"] = job.STOPPED
    assert start("--carry=bare", "--out=elsewhere") == 75 and not Path("elsewhere/first").exists()
