"""Jobs as subprocesses of this machine."""

import json
import os
import signal

import pytest

from rankq_jax.launch import Job, job, local, record
from tests.launch import launching, reference
from tests.launch.launching import begin, starts, until

ONE_BY_ONE = [local.Slot()]


@pytest.fixture
def out(tmp_path, monkeypatch):
    monkeypatch.chdir(launching.fake_checkout(tmp_path))
    return tmp_path / "runs"


def sweep_file(folder, *jobs):
    text = ", ".join(f"Job({name!r}, {flags!r})" for name, *flags in ((n, *f) for n, f in jobs))
    (folder / "sweep.py").write_text(f"from rankq_jax.launch import Job\nSWEEP = [{text}]\n")


def test_a_failure_does_not_stop_the_others(out, capsys):
    jobs = [Job("a", ()), Job("b", ("--wrong",)), Job("c", ("--crashes=1",)), Job("d", ("--expert={out}/b",))]
    outcomes = local.run(jobs, out)
    assert {name: ended.state for name, ended in outcomes.items()} == {
        "a": "done", "b": "failed", "c": "done", "d": "failed",
    }  # fmt: skip
    assert outcomes["d"].error == "not started, because it needs b" and not (out / "d").exists()
    printed = capsys.readouterr().out
    assert "b: failed: --rounds: makes no sense; take another.\n" in printed
    assert "c: failed RuntimeError: round 1 broke; starts again\n" in printed
    assert local.status_of(jobs, outcomes) == 1
    local.run(jobs, out)
    assert [len(starts(out / name)) for name in "abc"] == [1, 2, 2]  # done ones are skipped


def test_a_job_waits_for_what_it_needs(out):
    jobs = [Job("a", ("--rounds=3", "--seconds=0.1")), Job("b", ("--expert={out}/a",)), Job("c", ())]
    outcomes = local.run(jobs, out, local.slots_of(2))
    assert list(outcomes) == ["c", "a", "b"]  # b would have failed before the end of a
    assert local.status_of(jobs, outcomes) == 0


def test_so_many_at_a_time_each_with_its_own_devices(out):
    jobs = [Job(name, ("--seconds=0.1",)) for name in "abcd"]
    there = sorted(os.sched_getaffinity(0))
    slots = local.slots_of(2, gpus=["4", "6"], cores=len(there) // 2)
    local.run(jobs, out, slots)
    found = [starts(out / name)[0][:2] for name in "abcd"]
    half = len(there) // 2
    first = "4", ",".join(map(str, there[:half]))
    second = "6", ",".join(map(str, there[half : 2 * half]))
    assert sorted(found) == sorted([first, first, second, second])
    begun = sorted(json.loads((out / name / "job.json").read_text())["started"] for name in "abcd")
    assert begun[1] - begun[0] < 0.2 and begun[2] - begun[0] > 0.3


def test_slots_share_devices_in_turn():
    assert [slot.environment for slot in local.slots_of(3, ["0", "1"])] == [
        {"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "1"}, {"CUDA_VISIBLE_DEVICES": "0"},
    ]  # fmt: skip
    with pytest.raises(ValueError, match="2 at a time do not fit on"):
        local.slots_of(2, cores=len(os.sched_getaffinity(0)))
    with pytest.raises(ValueError, match="--parallel=0: must be at least 1"):
        local.slots_of(0)


def test_a_command_that_stops_by_itself_goes_on_but_not_for_ever(out):
    outcomes = local.run([Job("a", ("--stops=2",)), Job("b", ("--stops=99",))], out)
    assert [ended.state for ended in outcomes.values()] == ["done", "preempted"]
    assert [len(starts(out / name)) for name in "ab"] == [3, 3]


def test_all_stop_when_the_time_is_up_and_go_on_later(out, capsys):
    jobs = [Job("a", ("--rounds=3",)), Job("b", ("--rounds=40", "--seconds=0.1")), Job("c", ())]
    outcomes = local.run(jobs, out, minutes=1 / 60)
    assert {name: ended.state for name, ended in outcomes.items()} == {"a": "done", "b": "preempted"}
    assert "stopping: 1 jobs write a checkpoint" in capsys.readouterr().err
    assert local.status_of(jobs, outcomes) == 75
    outcomes = local.run(jobs, out)
    assert {ended.state for ended in outcomes.values()} == {"done"}
    whole = 0
    for done in range(1, 41):
        whole = whole * 3 + done
    assert json.loads((out / "b" / "summary.json").read_text())["value"] == whole


def test_another_process_in_a_workdir_is_waited_for(out, monkeypatch):
    attempt = job.start(Job("a", ("--rounds=500", "--seconds=0.05")), out)
    monkeypatch.setattr(job, "PATIENCE", 0.1)
    outcomes = local.run([Job("a", ()), Job("b", ())], out)
    assert outcomes["a"].state == "failed" and "another process" in outcomes["a"].error
    assert outcomes["b"].state == "done"
    attempt.process.terminate()
    assert job.finish(attempt).state == "preempted"


def test_a_stop_lets_every_job_write_its_checkpoint(out, tmp_path):
    slow = ["--rounds=40", "--seconds=0.05"]
    sweep_file(tmp_path, ("a", slow), ("b", slow), ("c", slow))
    launcher = begin("launch.local", "sweep.py", "--parallel=2", cwd=tmp_path)
    until(lambda: all((tmp_path / "runs" / "sweep" / n / "metrics.jsonl").exists() for n in "ab"))
    launcher.send_signal(signal.SIGINT)
    launcher.send_signal(signal.SIGINT)  # does not break it
    printed, told = launcher.communicate(timeout=30)
    assert launcher.returncode == 75, told
    assert told.endswith("stopped: 2 left a checkpoint, 1 not started; the same command goes on\n")
    assert "3 jobs: 1 queued, 2 preempted" in printed and "\x1b" not in printed
    launcher = begin("launch.local", "sweep.py", "--parallel=3", cwd=tmp_path)
    printed, told = launcher.communicate(timeout=60)
    assert launcher.returncode == 0, told
    lines = [(tmp_path / "runs/sweep" / n / "metrics.jsonl").read_text().splitlines() for n in "abc"]
    assert [len(found) for found in lines] == [40, 40, 40]
    found = launching.values(tmp_path / "runs" / "sweep")
    assert found["a"]["value"] == found["b"]["value"] == found["c"]["value"]


def test_a_killed_launcher_leaves_nothing_running(out, tmp_path):
    sweep_file(tmp_path, ("a", ["--rounds=500", "--seconds=0.05"]))
    launcher = begin("launch.local", "sweep.py", cwd=tmp_path)
    folder = tmp_path / "runs" / "sweep" / "a"
    until(lambda: (folder / "metrics.jsonl").exists())
    launcher.kill()
    launcher.communicate()
    until(lambda: not record.busy(folder))
    assert "stopped by 15" in (folder / "job.log").read_text()


def test_wrong_flags(tmp_path):
    sweep_file(tmp_path, ("a", []))
    for flag, message in (
        ("--cores=4096", "do not fit"),
        ("--pack=-1", "--pack=-1"),
        ("--attempts=0", "--attempts=0"),
    ):
        done = launching.launch("launch.local", "sweep.py", flag, cwd=tmp_path)
        assert done.returncode == 2 and done.stderr.startswith("error: ") and message in done.stderr
    assert not (tmp_path / "runs").exists()


def test_jobs_of_other_code_go_on_where_that_is_accepted(tmp_path):
    launching.fake_checkout(tmp_path)
    sweep_file(tmp_path, ("a", ["--version=1", "--crashes=1"]))
    first = launching.launch("launch.local", "sweep.py", "--attempts=1", cwd=tmp_path)
    assert first.returncode == 1 and "round 1 broke" in first.stdout
    sweep_file(tmp_path, ("a", ["--version=2"]))
    again = ["launch.local", "sweep.py", "--attempts=2"]
    refused = launching.launch(*again, cwd=tmp_path)
    assert refused.returncode == 1 and "source is another" in refused.stdout
    accepted = launching.launch(*again, "--accept-changes", cwd=tmp_path)
    assert accepted.returncode == 0 and "a: done" in accepted.stdout
    (summary,) = launching.values(tmp_path / "runs" / "sweep").values()
    assert summary["value"] == (1 * 3 + 2) * 3 + 3  # three rounds, none made twice


def test_the_smoke_sweep(tmp_path_factory):
    found = launching.values(reference.folder(tmp_path_factory))
    names = [f"{a}_pointmaze-{t}_smoke" for a in ("iql", "rankq") for t in ("medium", "umaze")]
    assert list(found) == names
    for summary in found.values():
        assert summary["seeds"] == [0, 1, 2, 3] and len(summary["final_success_rate"]) == 4


def test_the_block_of_the_documentation(tmp_path):
    launching.checkout(tmp_path)
    launching.fake_checkout(tmp_path, exist_ok=True)
    done = launching.block("Local", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("4 jobs: 4 done\n")
    assert len(launching.values(tmp_path / "runs" / "smoke")) == 4
