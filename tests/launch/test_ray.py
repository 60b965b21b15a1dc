"""Jobs as actors: of a local Ray, and of a cluster of two nodes whose workers and machines die."""

import importlib.util
import json
import os
import signal
import time
from pathlib import Path

import pytest

from rankq_jax.launch import record
from tests.launch import launching, ray_cluster, reference
from tests.launch.launching import begin, launch, starts, until

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")

SWEEP = """
from rankq_jax.launch import Job
SWEEP = [Job(name, ("--rounds={rounds}", "--seconds=0.1")) for name in "ab"]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(launching.fake_checkout(tmp_path))
    return tmp_path


def sweep_file(folder, rounds):
    (folder / "sweep.py").write_text(SWEEP.format(rounds=rounds))
    return [folder / "runs" / "sweep" / name for name in "ab"]


@pytest.fixture
def cluster():
    """Two nodes with room for one job each."""
    with ray_cluster.running() as cluster:
        yield cluster


def parent(process):
    """Number of the parent of a process."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def recorded(workdir):
    return json.loads((workdir / "job.json").read_text())


def test_a_local_ray(folder):
    (folder / "sweep.py").write_text(
        "from rankq_jax.launch import Job\n"
        "SWEEP = [Job('a', ('--crashes=1',)), Job('b', ('--wrong',)), Job('c', ('--kills=9',)),\n"
        "         Job('d', ('--expert={out}/a',)), Job('e', ('--expert={out}/b',)),\n"
        "         Job('f', ('--stops=1',))]\n"
    )
    done = launch("launch.ray", "sweep.py", "--attempts=2", "--cpus-per-job=0.5", cwd=folder)
    assert done.returncode == 1, done.stdout + done.stderr
    out = folder / "runs" / "sweep"
    assert {name: record.read(out / name).get("state") for name in "abcdef"} == {
        "a": "done", "b": "failed", "c": "failed", "d": "done", "e": None, "f": "done",
    }  # fmt: skip
    assert [len(starts(out / name)) for name in "abcdf"] == [2, 1, 2, 1, 2]
    assert "e: failed: not started, because it needs b\n" in done.stdout
    assert "6 jobs: 3 done, 1 queued, 2 failed" in done.stdout and done.stderr == ""


def test_a_stop_of_a_local_ray_lets_every_job_write_its_checkpoint(folder):
    workdirs = sweep_file(folder, rounds=60)
    launcher = begin("launch.ray", "sweep.py", "--cpus-per-job=0.5", cwd=folder)
    until(lambda: all((workdir / "metrics.jsonl").exists() for workdir in workdirs))
    launcher.send_signal(signal.SIGINT)
    launcher.send_signal(signal.SIGINT)
    printed, told = launcher.communicate(timeout=60)
    assert launcher.returncode == 75, printed + told
    assert told.endswith("stopped: 2 left a checkpoint, 0 not started; the same command goes on\n")
    for workdir in workdirs:
        assert (recorded(workdir)["state"], recorded(workdir)["status"]) == ("preempted", 75)
    done = launch("launch.local", "sweep.py", "--parallel=2", cwd=folder)  # whoever started them
    assert done.returncode == 0, done.stderr
    assert [len((workdir / "metrics.jsonl").read_text().splitlines()) for workdir in workdirs] == [60, 60]


def test_jobs_in_a_cluster_outlive_the_launcher_their_worker_and_its_machine(folder, cluster):
    workdirs = sweep_file(folder, rounds=150)
    flags = "sweep.py", f"--address={cluster.address}"
    launcher = begin("launch.ray", *flags, cwd=folder)
    until(lambda: all((workdir / "metrics.jsonl").exists() for workdir in workdirs))
    launcher.send_signal(signal.SIGINT)
    printed, told = launcher.communicate(timeout=60)
    assert launcher.returncode == 75, printed + told
    assert told.startswith("stopped watching: 2 jobs go on in the cluster, 0 wait to be submitted; the same")
    processes = [recorded(workdir)["process"] for workdir in workdirs]
    lines = [len((workdir / "metrics.jsonl").read_text().splitlines()) for workdir in workdirs]
    until(
        lambda: all(
            len((workdir / "metrics.jsonl").read_text().splitlines()) > before
            for workdir, before in zip(workdirs, lines, strict=True)
        )
    )
    # a second launcher finds them, and sees a worker die
    launcher = begin("launch.ray", *flags, cwd=folder)
    time.sleep(3)
    assert [recorded(workdir)["process"] for workdir in workdirs] == processes
    os.kill(parent(processes[0]), signal.SIGKILL)
    until(lambda: len(starts(workdirs[0])) == 2)
    # then the machine of the other job, which goes on where there is room
    cluster.remove(parent(parent(recorded(workdirs[1])["process"])))
    printed, told = launcher.communicate(timeout=120)
    assert launcher.returncode == 0, printed + told
    assert [len(starts(workdir)) for workdir in workdirs] == [2, 2]
    assert [record.read(workdir)["failures"] for workdir in workdirs] == [0, 0]
    assert [len((workdir / "metrics.jsonl").read_text().splitlines()) for workdir in workdirs] == [150, 150]
    found = launching.values(folder / "runs" / "sweep")
    assert found["a"] == found["b"]


def test_a_worker_that_dies_too_often_is_given_up(folder):
    workdirs = sweep_file(folder, rounds=100)
    launcher = begin("launch.ray", "sweep.py", "--attempts=1", "--cpus-per-job=0.5", cwd=folder)
    until(lambda: all((workdir / "metrics.jsonl").exists() for workdir in workdirs))
    os.kill(parent(recorded(workdirs[0])["process"]), signal.SIGKILL)
    printed, told = launcher.communicate(timeout=60)
    assert launcher.returncode == 1, printed + told
    (line,) = [line for line in printed.splitlines() if line.startswith("a: failed")]
    assert line.startswith("a: failed: its worker is lost")
    assert "b: done\n" in printed


def test_without_ray_there_is_one_line(folder):
    sweep_file(folder, rounds=1)
    (folder / "ray.py").write_text("raise ImportError")
    done = launch("launch.ray", "sweep.py", cwd=folder)
    assert done.returncode == 2
    assert done.stderr == "error: ray: is not installed; run pip install 'rankq-jax[ray]'.\n"


def test_wrong_input(folder):
    sweep_file(folder, rounds=1)
    for flag, message in (
        ("--address=127.0.0.1:1", "--address=127.0.0.1:1: no Ray cluster answers"),
        ("--gpus-per-job=-1", "--gpus-per-job=-1: must be at least 0"),
    ):
        done = launch("launch.ray", "sweep.py", flag, cwd=folder)
        assert done.returncode == 2 and done.stderr.startswith(f"error: {message}"), done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.slow  # workers of stand-ins are killed above, trainings of a sweep in test_slurm
def test_the_smoke_sweep_with_a_killed_worker_equals_the_local_one(tmp_path, cluster, tmp_path_factory):
    flags = "launch/sweeps/smoke.py", f"--out={tmp_path}/smoke", f"--address={cluster.address}"
    launcher = begin("launch.ray", *flags, cwd=launching.ROOT)
    workdir = tmp_path / "smoke" / "rankq_pointmaze-umaze_smoke"
    until(lambda: (workdir / "metrics.jsonl").exists(), seconds=300)
    os.kill(parent(recorded(workdir)["process"]), signal.SIGKILL)
    printed, told = launcher.communicate(timeout=600)
    assert launcher.returncode == 0, printed + told
    assert recorded(workdir)["starts"] == 2
    undisturbed = reference.folder(tmp_path_factory)
    assert len(launching.values(undisturbed)) == 4
    assert launching.values(tmp_path / "smoke") == launching.values(undisturbed)
    assert launching.records(tmp_path / "smoke") == launching.records(undisturbed)


def test_the_block_of_the_documentation(tmp_path):
    launching.checkout(tmp_path)
    launching.fake_checkout(tmp_path, exist_ok=True)
    done = launching.block("Ray", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("4 jobs: 4 done\n")
