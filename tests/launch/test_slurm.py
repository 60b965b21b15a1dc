"""Sweeps on a real Slurm cluster, of this machine alone."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from rankq_jax.cli import main
from rankq_jax.launch import Job, slurm, slurm_queue
from rankq_jax.training import restore
from tests.launch import reference, slurm_cluster
from tests.launch.launching import (
    ROOT,
    begin,
    checkout,
    environment,
    fake_checkout,
    launch,
    starts,
    until,
    values,
)

POLL = "--poll=0.3"


@pytest.fixture(scope="module")
def cluster():
    with pytest.MonkeyPatch.context() as patch:
        try:
            with slurm_cluster.running(processors=8) as found:
                for name in ("SLURM_CONF", "PATH"):
                    patch.setenv(name, found.environment[name])
                yield found
        except slurm_cluster.Unavailable as error:
            pytest.skip(f"no Slurm cluster here: {error}")


@pytest.fixture
def place(tmp_path):
    return fake_checkout(tmp_path)


def sweep(place, text):
    (place / "sweep.py").write_text(f"from rankq_jax.launch import Job\nSWEEP = {text}\n")


def value(rounds, seed=0):
    """What the stand-in adds up."""
    total = 0
    for done in range(1, rounds + 1):
        total = 3 * total + done + seed
    return total


def task_of(line):
    """`a: queued (task 7_1 pending)` -> `7_1`."""
    return re.search(r"\(task (\S+)", line)[1]


def test_nothing_is_left_of_a_cluster(cluster):
    with pytest.raises(ZeroDivisionError), slurm_cluster.running() as other:
        other.call("sbatch", "--output=/dev/null", "--wrap=sleep 1000")
        until(lambda: other.call("squeue", "--noheader", "--format=%T") == "RUNNING")
        mark = f"SLURM_CONF={other.environment['SLURM_CONF']}".encode()
        assert len(slurm_cluster.processes_with(mark)) >= 4  # three daemons, and what the job consists of
        1 / 0  # noqa: B018
    assert slurm_cluster.processes_with(mark) == [] and not other.folder.exists()


def test_a_sweep_with_every_kind_of_end(cluster, place):
    sweep(
        place,
        """[
    Job("late", ("--expert={out}/good",)),
    Job("good", ("--rounds=4",)),
][::-1] + [
    Job("killed", ("--kills=1",)),
    Job("crashing", ("--crashes=9",)),
    Job("wrong", ("--wrong",)),
    Job("stopping", ("--stops=1",)),
    Job("restless", ("--stops=99",)),
    Job("vain", ("--expert={out}/crashing",)),
]""",
    )
    done = launch("launch.slurm", "sweep.py", "--out=out", POLL, cwd=place)
    assert done.returncode == 1, done.stdout + done.stderr
    out = place / "out"
    found = values(out)
    assert {name: summary["value"] for name, summary in found.items()} == {
        "good": value(4),
        "late": value(3),
        "killed": value(3),
        "stopping": value(3),
    }
    counts = {
        name: len(starts(out / name))
        for name in ("good", "late", "killed", "crashing", "wrong", "stopping", "restless")
    }
    assert counts == {
        "good": 1,
        "late": 1,
        "killed": 2,
        "crashing": 3,
        "wrong": 1,
        "stopping": 2,
        "restless": 3,
    }
    assert not (out / "vain").exists()  # Slurm let go of it when the job that it needs had failed
    table = done.stdout[done.stdout.index("updates/s") :]
    assert re.search(r"crashing +failed .* 3 +RuntimeError: round 3 broke", table)
    assert re.search(r"wrong +failed .* --rounds: makes no sense; take another", table)
    assert re.search(r"vain +queued .* needs crashing, which is not done", table)
    assert re.search(
        r"restless +failed .* stops again and again without having been asked; see job.log", table
    )
    assert "8 jobs: 4 done, 1 queued, 3 failed" in table

    again = launch("launch.slurm", "sweep.py", "--out=out", POLL, cwd=place)
    assert again.returncode == 1
    assert "crashing: failed" in again.stdout and "wrong: queued (task" in again.stdout
    after = {name: len(starts(out / name)) for name in counts}
    assert after == {**counts, "wrong": 2, "restless": 6}  # what was wrong may have been put right


def test_requests_to_stop_requeue_and_cancelling_does_not(cluster, place):
    rounds = ("--rounds=20", "--seconds=0.2")
    sweep(place, f"[Job(name, {rounds}) for name in ('terminated', 'limited', 'cancelled')]")
    launcher = begin("launch.slurm", "sweep.py", "--out=out", POLL, cwd=place)
    out = place / "out"
    ids = dict(
        zip(
            ("terminated", "limited", "cancelled"),
            (launcher.stdout.readline() for _ in range(3)),
            strict=True,
        )
    )
    ids = {name: task_of(line) for name, line in ids.items()}
    until(lambda: all(any((out / name / "checkpoints").glob("*")) for name in ids))
    cluster.call("scancel", "--signal=TERM", ids["terminated"])
    cluster.call("scancel", "--signal=USR2", ids["limited"])  # as before a time limit
    cluster.call("scancel", ids["cancelled"])
    text, errors = launcher.communicate(timeout=60)
    assert launcher.returncode == 75, text + errors
    for name in ("terminated", "limited"):
        assert [len(starts(out / name)), values(out)[name]["value"]] == [2, value(20)]
        assert "Restarts=1" in cluster.call("scontrol", "show", "job", ids[name])
        assert f"stopped by {15 if name == 'terminated' else 12}" in (out / name / "job.log").read_text()
        assert re.search(rf"^{name}: preempted", text, flags=re.MULTILINE)
    assert len(starts(out / "cancelled")) == 1 and "cancelled" not in values(out)
    assert re.search(rf"cancelled +preempted .*task {ids['cancelled']} was cancelled", text)

    done = launch("launch.slurm", "sweep.py", "--out=out", POLL, cwd=place)
    assert done.returncode == 0
    assert [len(starts(out / name)) for name in ids] == [2, 2, 2]
    assert values(out)["cancelled"]["value"] == value(20)


def test_a_job_whose_processors_are_taken_away_goes_on_later(cluster, place):
    sweep(place, "[Job('low', ('--rounds=20', '--seconds=0.2'))]")
    launcher = begin("launch.slurm", "sweep.py", "--out=out", "--partition=main", POLL, cwd=place)
    folder = place / "out" / "low"
    until(lambda: any((folder / "checkpoints").glob("*")))
    urgent = ("--partition=urgent", "--exclusive", "--wait", "--output=/dev/null", "--wrap=true")
    cluster.call("sbatch", *urgent)
    assert "low" not in values(place / "out")
    text, errors = launcher.communicate(timeout=60)
    assert launcher.returncode == 0, text + errors
    assert [len(starts(folder)), values(place / "out")["low"]["value"]] == [2, value(20)]


def test_the_job_of_a_killed_worker_is_submitted_again_and_goes_on(cluster, place):
    sweep(place, "[Job('orphan', ('--rounds=20', '--seconds=0.2'))]")
    launcher = begin("launch.slurm", "sweep.py", "--out=out", POLL, cwd=place)
    folder = place / "out" / "orphan"
    until(lambda: any((folder / "checkpoints").glob("*")))
    mark = f"SLURM_JOB_ID={task_of(launcher.stdout.readline())}".encode()
    commands = {
        number: Path(f"/proc/{number}/cmdline").read_bytes() for number in slurm_cluster.processes_with(mark)
    }
    (worker,) = [
        n
        for n, words in commands.items()
        if words.startswith(sys.executable.encode()) and b"submitit" in words
    ]
    os.kill(worker, signal.SIGKILL)
    text, errors = launcher.communicate(timeout=60)
    assert launcher.returncode == 0, text + errors
    assert [len(starts(folder)), values(place / "out")["orphan"]["value"]] == [2, value(20)]
    assert "stopped by 15" in (folder / "job.log").read_text()  # what trained did not outlive its worker
    assert len(list((place / "out" / ".slurm").glob("*_submission.sh"))) == 2


def test_the_launcher_can_go_and_come_back(cluster, place):
    sweep(place, "[Job('first', ('--rounds=25', '--seconds=0.2')), Job('second', ('--expert={out}/first',))]")
    launcher = begin("launch.slurm", "sweep.py", "--out=out", POLL, cwd=place)
    ids = [task_of(launcher.stdout.readline()) for _ in range(2)]
    launcher.send_signal(signal.SIGINT)
    _, errors = launcher.communicate(timeout=30)
    assert launcher.returncode == 75
    assert (
        f"2 jobs go on in Slurm; the same command watches them again, `scancel {ids[0]} {ids[1]}`" in errors
    )
    unseen = launch("launch.slurm", "sweep.py", "--out=out", "--no-watch", cwd=place)
    assert unseen.returncode == 0
    assert [task_of(line) for line in unseen.stdout.splitlines() if "(task" in line] == []
    assert re.search(rf"second +queued .*task {ids[1]} pending", unseen.stdout)
    done = launch("launch.slurm", "sweep.py", "--out=out", POLL, cwd=place)
    assert done.returncode == 0, done.stdout
    assert [task_of(line) for line in done.stdout.splitlines()[:2]] == ids  # nothing was submitted twice
    assert [len(starts(place / "out" / name)) for name in ("first", "second")] == [1, 1]


def test_a_task_that_ends_before_it_starts_is_submitted_again_and_given_up(cluster, place):
    sweep(place, "[Job('unlucky', ())]")
    lines = "--setup=echo x >> setups", "--setup=[ $(wc -l < setups) -ge 3 ] || exit 7"
    done = launch("launch.slurm", "sweep.py", "--out=out", POLL, *lines, "--attempts=2", cwd=place)
    assert done.returncode == 1
    log = re.search(r"unlucky +failed +FAILED, see (out/\.slurm/\d+_0_log\.err)", done.stdout)[1]
    assert (place / log).exists()
    assert (place / "setups").read_text() == "x\nx\n"
    done = launch("launch.slurm", "sweep.py", "--out=out", POLL, *lines, cwd=place)
    assert done.returncode == 0 and len(starts(place / "out" / "unlucky")) == 1


def test_what_slurm_refuses_is_one_line(cluster, place):
    sweep(place, "[Job('one', ())]")
    done = launch("launch.slurm", "sweep.py", "--partition=absent", cwd=place)
    assert done.returncode == 2 and done.stdout == ""
    assert re.fullmatch(r"error: Slurm refuses: .*invalid partition.*\n", done.stderr)


def program(folder, name, lines, status=0):
    """A command that prints lines."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    stream = "stderr" if status else "stdout"
    path.write_text(
        f"#!{sys.executable}\nimport sys\nprint({lines!r}, file=sys.{stream})\nsys.exit({status})\n"
    )
    path.chmod(0o755)


def test_without_a_controller_it_is_one_line(place, monkeypatch):
    sweep(place, "[Job('one', ())]")
    slurm_queue.new_submission(place / "out", ["one"])
    for name in ("sbatch", "srun", "scontrol"):
        program(place / "bin", name, "")
    program(place / "bin", "squeue", "slurm_load_jobs error: Unable to contact slurm controller", 1)
    monkeypatch.setenv("PATH", str(place / "bin"))
    done = launch("launch.slurm", "sweep.py", "--out=out", cwd=place)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == "error: squeue: slurm_load_jobs error: Unable to contact slurm controller\n"


def test_without_slurm_or_submitit_it_says_what_to_install(place, monkeypatch):
    sweep(place, "[Job('one', ())]")
    monkeypatch.setenv("PATH", str(place))
    done = launch("launch.slurm", "sweep.py", cwd=place)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: sbatch is not installed; ") and done.stderr.count("\n") == 1
    (place / "submitit.py").write_text("raise ImportError")
    done = launch("launch.slurm", "sweep.py", cwd=place)
    assert done.returncode == 2
    assert done.stderr == "error: submitit is not installed; pip install 'rankq-jax[slurm]'.\n"


def flags(*words):
    return main.parser("sweep slurm").read(["sweep.py", *words])


def test_flags_become_parameters():
    found = slurm.parameters(
        flags("--partition=gpu", "--gpus-per-job=1", "--cpus-per-job=8", "--memory=16GB", "--minutes=240")
    )
    assert found == {
        "time": 240,
        "signal_delay_s": 90,
        "cpus_per_task": 8,
        "srun_args": ["--cpus-per-task=8"],
        "additional_parameters": {"requeue": True, "kill-on-invalid-dep": "yes"},
        "partition": "gpu",
        "gpus_per_node": 1,
        "mem": "16GB",
    }
    short = slurm.parameters(flags("--minutes=4", "--sbatch=account=lab", "--setup=module load cuda"))
    assert (short["signal_delay_s"], short["setup"]) == (60, ["module load cuda"])
    assert short["additional_parameters"]["account"] == "lab"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--minutes=0", "--minutes=0: must be at least 1"),
        ("--cpus-per-job=0", "--cpus-per-job=0: must be at least 1"),
        ("--gpus-per-job=-1", "--gpus-per-job=-1: must be at least 0"),
        ("--sbatch=account", "--sbatch=account: give NAME=VALUE"),
    ],
)
def test_flags_that_make_no_sense(words, message):
    with pytest.raises(ValueError, match=message):
        slurm.parameters(flags(words))


def test_jobs_wait_in_arrays_for_what_is_not_done():
    jobs = [
        Job("a", ()),
        Job("b", ("--x={out}/a",)),
        Job("c", ()),
        Job("d", ("--x={out}/b", "--y={out}/a")),
        Job("e", ("--x={out}/a",)),
        Job("f", ("--x={out}/old",)),
    ]
    found = slurm_queue.arrays(jobs, {"a", "b", "c", "d", "e", "f"})
    assert [(awaited, [job.name for job in group]) for awaited, group in found] == [
        ((), ["a", "c", "f"]),
        (("a",), ["b", "e"]),
        (("a", "b"), ["d"]),
    ]
    many = [Job(str(i), ()) for i in range(2001)]
    assert [len(group) for _, group in slurm_queue.arrays(many, set())] == [1000, 1000, 1]


def test_the_newest_task_of_a_job_counts_unless_an_older_one_lives(tmp_path, monkeypatch):
    one, two = (slurm_queue.new_submission(tmp_path, names) for names in (["a", "b"], ["a", "b"]))
    assert one != two and one.startswith(f"{tmp_path.name}-")
    lines = [
        f"9_0|FAILED|{one}|NonZeroExitCode",
        f"10_0|TIMEOUT|{two}|TimeLimit",
        f"9_1|RUNNING|{one}|None",
        f"10_1|CANCELLED|{two}|None",
        "11|RUNNING|of-another|None",
    ]
    program(tmp_path, "squeue", "\n".join(lines))
    monkeypatch.setenv("PATH", str(tmp_path))
    found = slurm_queue.tasks(tmp_path)
    assert {job: (task.identifier, task.alive) for job, task in found.items()} == {
        "a": ("10_0", False),
        "b": ("9_1", True),
    }


def measured(folder):
    """Everything a run has measured, without the seconds."""
    metrics = re.sub(r', "seconds": \{[^}]*\}', "", (folder / "metrics.jsonl").read_text())
    assert metrics and "seconds" not in metrics
    return metrics, (folder / "evaluations.jsonl").read_text()


def parameters(folder):
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(restore.restore(folder).params)]


def test_the_block_of_the_document_and_a_preemption_end_as_local_runs_do(cluster, tmp_path, tmp_path_factory):
    section = (ROOT / "docs" / "launching.md").read_text().split("\n## Slurm\n")[1].split("\n## ")[0]
    blocks = re.findall(r"```bash\n(.*?)```", section, flags=re.DOTALL)
    assert len(blocks) == 1
    undisturbed = reference.folder(tmp_path_factory)
    place = checkout(tmp_path)
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    document = subprocess.Popen(
        ["bash", "-euxc", blocks[0]],
        cwd=place,
        env={**environment(place), "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    out, victim = place / "runs" / "smoke", "rankq_pointmaze-umaze_smoke"
    metrics = out / victim / "metrics.jsonl"
    until(lambda: document.poll() is not None or (metrics.exists() and metrics.read_text()), 300)
    cluster.call("scancel", "--signal=TERM", slurm_queue.tasks(out)[victim].identifier)
    text, _ = document.communicate(timeout=300)
    assert document.returncode == 0, text
    record = json.loads((out / victim / "job.json").read_text())
    assert (record["starts"], record["failures"]) == (2, 0), text
    found = values(out)
    assert len(found) == 4 and found == values(undisturbed)
    for name in found:
        assert measured(out / name) == measured(undisturbed / name)
    assert parameters(out / victim) == parameters(undisturbed / victim)
