"""Which runs are one arm, and which jobs are not done; workdirs are written by hand."""

import json

import numpy as np
import pytest

from rankq_jax.analysis import arms, groups, results, sweeps
from rankq_jax.errors import InputError
from tests.analysis.fake_runs import launched, workdir


def read(*folders):
    return sweeps.read(folders)


def labels(sweep):
    return {task: [group.label for group in arms] for task, arms in sweep.sections.items()}


def test_packed_seeds_are_one_arm(tmp_path):
    workdir(tmp_path / "rankq_umaze_seeds0-1", {0: (0, 1, 4), 1: (1, 2, 3)})
    workdir(tmp_path / "rankq_umaze_seeds2-3", {2: (0, 0, 2), 3: (4, 4, 4)})
    workdir(tmp_path / "sac_umaze_seed0", {0: (1, 1, 1)}, name="sac")
    sweep = read(tmp_path)
    assert labels(sweep) == {"pointmaze-umaze": ["rankq", "sac"]}
    rankq, sac = sweep.sections["pointmaze-umaze"]
    assert (rankq.planned, rankq.done, len(rankq.members)) == (4, 4, 2)
    np.testing.assert_array_equal(rankq.result("offline"), [0.25, 0.5, 0.0, 1.0])
    np.testing.assert_array_equal(rankq.result("final"), [1.0, 0.75, 0.5, 1.0])
    np.testing.assert_array_equal(rankq.result("final", rankq.measures[-1]), [10, 20, 30, 10])
    np.testing.assert_array_equal(sac.result("final"), [0.25])
    curve = rankq.curve("success")
    np.testing.assert_array_equal(curve.position, [-50, 0, 200])
    np.testing.assert_array_equal(curve.value, [[0, 0.25, 0, 1], [0.25, 0.5, 0, 1], [1, 0.75, 0.5, 1]])
    assert sweep.jobs == 3 and sweep.open == []


def test_runs_of_another_configuration_are_another_arm(tmp_path):
    workdir(tmp_path / "a", {0: (0, 0, 0)})
    workdir(tmp_path / "b", {0: (0, 0, 0)}, rankq__sigma=0.3)
    workdir(tmp_path / "c", {1: (0, 0, 0)}, rankq__sigma=0.3)
    workdir(tmp_path / "d", {0: (0, 0, 0)}, task="pointmaze-medium")
    workdir(tmp_path / "e", {0: (0, 0, 0)}, name="sac")
    # On the other task nothing is varied, but the arm must be known again there.
    assert labels(read(tmp_path)) == {
        "pointmaze-umaze": ["rankq (sigma=0.15)", "rankq (sigma=0.3)", "sac"],
        "pointmaze-medium": ["rankq (sigma=0.15)"],
    }


def test_what_changes_no_result_makes_no_other_arm(tmp_path):
    workdir(tmp_path / "a", {0: (0, 0, 0)}, threads=1, online__checkpoint_every=5)
    workdir(tmp_path / "b", {1: (0, 0, 0)}, threads=2)
    (arm,) = read(tmp_path).sections["pointmaze-umaze"]
    assert arm.label == "rankq" and arm.planned == 2


def test_labels_of_many_fields_stay_apart(tmp_path):
    for name, value in (("a", 1), ("b", 2)):
        more = {f"field{i}": value for i in range(3)}
        workdir(tmp_path / name, {0: (0, 0, 0)}, **more)
    workdir(tmp_path / "c", {0: (0, 0, 0)}, field0=2, field1=2, field2=2, online__env_steps=9)
    text = "rankq (online.env_steps={}, field0={}, field1={}, 1 more)"
    assert labels(read(tmp_path))["pointmaze-umaze"] == [
        text.format(200, 1, 1),
        text.format(200, 2, 2),
        text.format(9, 2, 2),
    ]
    workdir(tmp_path / "d", {0: (0, 0, 0)}, field0=2, field1=2, field2=7)
    assert labels(read(tmp_path))["pointmaze-umaze"][1:] == [
        f"{text.format(200, 2, 2)} [b]",
        text.format(9, 2, 2),
        f"{text.format(200, 2, 2)} [d]",
    ]


def test_a_seed_counts_once_and_the_finished_run_goes_first(tmp_path):
    workdir(tmp_path / "a", {0: (0, 1), 1: (0, 1)})
    workdir(tmp_path / "b", {1: (0, 1, 2)})
    sweep = read(tmp_path)
    (arm,) = sweep.sections["pointmaze-umaze"]
    assert [m.run.folder.name for m in arm.members] == ["b"]
    (entry,) = sweep.open
    assert entry.name == "a" and entry.state == "left out"
    assert entry.error == f"seed 1 of the same arm is in {tmp_path / 'b'} already"


def test_a_task_without_success_is_judged_by_its_return(tmp_path):
    workdir(tmp_path / "a", {3: (0, 1, 2), 4: (4, 3, 3)}, task="expert-ant")
    (arm,) = read(tmp_path).sections["expert-ant"]
    assert arm.score.name == "return"
    np.testing.assert_array_equal(arm.result("offline"), [-40, -20])
    np.testing.assert_array_equal(arm.result("final"), [-30, -20])
    np.testing.assert_array_equal(arm.curve("return").value, [[-50, -10], [-40, -20], [-30, -20]])


def test_unfinished_runs_give_their_curves_alone(tmp_path):
    workdir(tmp_path / "a", {0: (1, 2, 3)})
    workdir(tmp_path / "b", {1: (2,)})  # ends 50 updates before the end of its first phase
    (arm,) = read(tmp_path).sections["pointmaze-umaze"]
    curve = arm.curve("success")
    np.testing.assert_array_equal(curve.position, [-50, 0, 200])
    np.testing.assert_array_equal(curve.value, [[0.25, 0.5], [0.5, np.nan], [0.75, np.nan]])
    assert (arm.done, arm.planned) == (1, 2)
    np.testing.assert_array_equal(arm.result("final"), [0.75])


def test_an_evaluation_that_was_broken_off_is_no_point(tmp_path):
    folder = workdir(tmp_path / "a", {0: (1, 2)})
    lines = (folder / "evaluations.jsonl").read_text().splitlines()
    (folder / "evaluations.jsonl").write_text("\n".join(lines[:-1]))
    found = arms.member(results.read(folder)).curves["success"]
    np.testing.assert_array_equal(found.position, [-50])


def test_the_jobs_that_are_not_done(tmp_path):
    workdir(tmp_path / "a-done", {0: (0, 0, 0)}, job={})
    workdir(tmp_path / "b-noticed-late", {1: (0, 0, 0)}, job={"state": "running"})
    workdir(tmp_path / "c-alone", {2: (0, 0, 0)})
    launched(tmp_path / "d-early", state="failed", error="first\nno such dataset\n", starts=3, failures=3)
    workdir(tmp_path / "e-running", {3: (0,)}, job={"state": "running", "host": "node7"})
    workdir(tmp_path / "f-preempted", {4: (0, 1)}, job={"state": "preempted"})
    workdir(tmp_path / "g-unfinished", {5: ()})
    workdir(tmp_path / "h-lost", {6: (0, 0, 0)}, job={})
    (tmp_path / "h-lost" / "summary.json").unlink()
    broken = workdir(tmp_path / "i-broken", {7: (0, 0, 0)}, job={"state": "failed", "error": "disk full"})
    (broken / "summary.json").write_text('{"seeds":')
    (workdir(tmp_path / "j-record", {8: (0, 0, 0)}) / "job.json").write_text("[1]")
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "index.html").write_text("")
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "k-begun" / "process-1").mkdir(parents=True)
    (tmp_path / "k-begun" / "process-1" / "config.json").write_text("{}")
    sweep = read(tmp_path)
    assert sweep.jobs == 11
    rows = {entry.name: entry for entry in sweep.open}
    assert {name: row.state for name, row in rows.items()} == {
        "d-early": "failed",
        "e-running": "running",
        "f-preempted": "preempted",
        "g-unfinished": "unfinished",
        "h-lost": "damaged",
        "i-broken": "failed",
        "j-record": "damaged",
        "k-begun": "unfinished",
    }
    early = rows["d-early"]
    assert (early.error, early.starts, early.failures) == ("no such dataset", 3, 3)
    assert rows["e-running"].reached == "50 updates, 0 environment steps"
    assert rows["e-running"].host == "node7"
    assert rows["g-unfinished"].reached == "not evaluated yet"
    assert rows["h-lost"].error.startswith("summary.json is missing")
    assert str(broken / "summary.json") in rows["i-broken"].error
    assert rows["i-broken"].error.endswith("; disk full")
    assert "job.json" in rows["j-record"].error
    (arm,) = sweep.sections["pointmaze-umaze"]  # what is not readable is in no arm
    assert sorted(seed for m in arm.members for seed in m.seeds) == [0, 1, 2, 3, 4, 5, 6, 8]
    assert sorted(seed for m in arm.finished for seed in m.seeds) == [0, 1, 2, 8]


def damage(folder, file, change):
    path = folder / file
    if isinstance(change, str):
        path.write_text(change)
    else:
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("config.json", "{"),
        ("config.json", lambda c: c.pop("versions")),
        ("config.json", lambda c: c.update(config=[1])),
        ("config.json", lambda c: c["config"].pop("algorithm")),
        ("config.json", lambda c: c["config"].pop("online")),
        ("config.json", lambda c: c["config"].pop("evaluation_episodes")),
        ("config.json", lambda c: c["config"].update(seed="one")),
        ("config.json", lambda c: c["config"].update(task="pointmaze-umase")),
        ("summary.json", "[1]"),
        ("summary.json", lambda s: s.pop("final_success_rate")),
        ("summary.json", lambda s: s.update(final_success_rate=[0.5, 0.5])),
        ("summary.json", lambda s: s.update(final_success_rate=["high"])),
        ("summary.json", lambda s: s.update(wall_seconds=7)),
        ("evaluations.jsonl", "torn\n{}\n"),
        ("evaluations.jsonl", '{"updates": 1}\n'),
    ],
)
def test_a_damaged_file_is_named_in_one_line(file, change, tmp_path):
    whole = workdir(tmp_path / "sweep" / "a", {0: (1, 2, 3)})
    assert arms.member(results.read(whole)).seeds == (0,)
    hurt = workdir(tmp_path / "sweep" / "b", {1: (1, 2, 3)})
    damage(hurt, file, change)
    with pytest.raises(InputError) as caught:
        arms.member(results.read(hurt))
    assert str(hurt / file) in str(caught.value) and "\n" not in str(caught.value)
    sweep = read(tmp_path / "sweep")
    assert [(e.name, e.state) for e in sweep.open] == [("b", "damaged")]
    assert str(hurt / file) in sweep.open[0].error
    (arm,) = sweep.sections["pointmaze-umaze"]
    assert [m.seeds for m in arm.members] == [(0,)]


def test_results_that_are_no_numbers_are_damage(tmp_path):
    hurt = workdir(tmp_path / "a", {0: (1, 2, 3)})
    damage(hurt, "summary.json", lambda s: s.update(final_success_rate=[float("nan")]))
    (entry,) = read(tmp_path).open
    assert entry.state == "damaged"
    assert f"{hurt / 'summary.json'}: field 'final_success_rate' is [nan]" in entry.error


def test_folders_that_are_no_sweeps(tmp_path):
    (tmp_path / "empty" / "inner").mkdir(parents=True)
    for folder in (tmp_path / "empty", tmp_path / "nowhere"):
        with pytest.raises(InputError, match=r"holds no config\.json"):
            read(folder)
    workdir(tmp_path / "sweep" / "a", {0: (0, 0, 0)})
    with pytest.raises(InputError, match="is there twice"):
        read(tmp_path / "sweep", tmp_path / "sweep" / "a")


def test_several_folders_are_one_sweep(tmp_path):
    workdir(tmp_path / "x" / "run", {0: (0, 0, 0)})
    workdir(tmp_path / "y" / "run", {1: (0,)})
    sweep = read(tmp_path / "x", tmp_path / "y")
    assert [entry.name for entry in sweep.open] == ["y/run"] and sweep.jobs == 2
    assert labels(sweep) == {"pointmaze-umaze": ["rankq"]}


def test_what_the_runs_should_share(tmp_path):
    workdir(tmp_path / "a", {0: (0, 0, 0)})
    workdir(tmp_path / "b", {0: (0, 0, 0)}, name="sac", offline__updates=0)  # leaves a phase out
    assert sweeps.differences(read(tmp_path)) == []
    workdir(tmp_path / "c", {1: (0, 0, 0)}, commit="bad", versions={"jax": "2.0", "flax": "1"})
    workdir(tmp_path / "d", {0: (0, 0, 0)}, name="cql", offline__updates=50, dataset="other-v0")
    assert sweeps.differences(read(tmp_path)) == [
        "The runs differ in their commit: c0ffee (rankq, sac, cql) and bad (rankq).",
        "The runs differ in their jax: 1.0 (rankq, sac, cql) and 2.0 (rankq).",
        "The runs differ in their flax: unknown (rankq, sac, cql) and 1 (rankq).",
        "pointmaze-umaze: the arms differ in dataset: the default (rankq, sac) and other-v0 (cql).",
        "pointmaze-umaze: the arms differ in offline.updates: 100 (rankq) and 50 (cql).",
    ]


def test_runs_of_other_code_and_data_and_those_that_changed_meanwhile(tmp_path):
    same = {"source": "1a", "dataset": {"name": "d", "fingerprint": "2b"}}
    workdir(tmp_path / "a", {0: (0, 0, 0)}, about=same)
    workdir(tmp_path / "b", {1: (0, 0, 0)}, about=same)
    assert sweeps.differences(read(tmp_path)) == []
    other = {"source": "3c", "dataset": {"name": "d", "fingerprint": "4d"}, "earlier": [same, same]}
    workdir(tmp_path / "c", {0: (0, 0, 0)}, about=other, name="sac")
    assert sweeps.differences(read(tmp_path)) == [
        "The runs differ in their source code: 1a (rankq) and 3c (sac).",
        "c: was continued 2 times with something changed; see its config.json.",
        "pointmaze-umaze: the runs differ in the digest of their data: 2b (rankq) and 4d (sac).",
    ]


def test_the_arms_that_all_tasks_share(tmp_path):
    for task in ("pointmaze-umaze", "pointmaze-medium"):
        more = task == "pointmaze-medium"
        workdir(tmp_path / f"a-{task}", {0: (0, 0, 1 + more), 1: (0, 0, 2 + more)}, task=task)
        workdir(tmp_path / f"b-{task}", {0: (0, 0, 4)}, task=task, name="sac")
    workdir(tmp_path / "c", {1: (0, 0, 4)}, name="sac")
    workdir(tmp_path / "d", {1: (0, 0, 4)}, name="cql")
    tables, reasons = groups.across(read(tmp_path).sections)
    assert list(tables) == ["rankq"]
    # columns are tasks in the order of the folders, rows are seeds
    np.testing.assert_array_equal(tables["rankq"], [[0.5, 0.25], [0.75, 0.5]])
    assert reasons == [
        "sac: its numbers of finished seeds differ: 1 on pointmaze-medium, 2 on pointmaze-umaze.",
        "cql: has no run on pointmaze-medium.",
    ]


def test_tasks_without_a_common_unit(tmp_path):
    workdir(tmp_path / "a", {0: (0, 0, 1)})
    assert groups.across(read(tmp_path).sections) == ({}, ["All runs are of one task, pointmaze-umaze."])
    workdir(tmp_path / "b", {0: (0, 0, 1)}, task="expert-ant")
    tables, (reason,) = groups.across(read(tmp_path).sections)
    assert tables == {} and reason.startswith("expert-ant: judged by returns")
