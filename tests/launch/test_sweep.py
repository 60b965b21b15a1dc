import sys

import pytest

from launch import local, sweep


def test_product_names_what_varies():
    jobs = sweep.product(
        ["experiments/configs/rankq.py:pointmaze-umaze,smoke", "experiments/configs/sac.py:pointmaze-umaze"],
        {"rankq.sigma": (0.15, 0.3), "seeds": (3,)},
    )
    assert [job.name for job in jobs] == [
        "rankq_pointmaze-umaze_rankq.sigma=0.15",
        "rankq_pointmaze-umaze_rankq.sigma=0.3",
        "sac_pointmaze-umaze_rankq.sigma=0.15",
        "sac_pointmaze-umaze_rankq.sigma=0.3",
    ]
    assert jobs[1].arguments == (
        "--config=experiments/configs/rankq.py:pointmaze-umaze,smoke",
        "--config.rankq.sigma=0.3",
        "--config.seeds=3",
    )


def test_the_point_maze_sweep_is_the_documented_one():
    jobs = sweep.read("launch/sweeps/pointmaze.py")
    assert [job.name.split("_pointmaze")[0] for job in jobs] == ["sac", "cql", "cal_ql", "rankq"]
    assert all("--config.offline.updates=8000" in job.arguments for job in jobs)


def test_files_that_are_no_sweeps(tmp_path):
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(ValueError, match="defines no list SWEEP"):
        sweep.read(str(tmp_path / "empty.py"))
    twice = "from launch.sweep import Job\nSWEEP = [Job('a', ()), Job('a', ())]\n"
    (tmp_path / "twice.py").write_text(twice)
    with pytest.raises(ValueError, match="two jobs are named 'a'"):
        sweep.read(str(tmp_path / "twice.py"))


def test_jobs_become_command_lines_and_failures_are_reported(tmp_path, monkeypatch):
    calls = []

    def fake(command):
        calls.append(command)
        return 3 if "--bad" in command else 0

    monkeypatch.setattr(local, "_execute", fake)
    jobs = [sweep.Job("good", ("--config=c",)), sweep.Job("broken", ("--bad",)), sweep.Job("last", ())]
    assert local.run(jobs, tmp_path) == {"broken": 3}
    workdir = f"--workdir={tmp_path / 'good'}"
    assert calls[0] == [sys.executable, "-m", "experiments.train", "--config=c", workdir]
    assert len(calls) == 3  # a failure does not stop the others


def test_the_status_of_a_command_is_handed_on():
    assert local._execute([sys.executable, "-c", "raise SystemExit(3)"]) == 3
