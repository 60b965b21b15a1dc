"""A workdir with the results of another job is not taken for done."""

import json

import pytest

from rankq_jax.launch import Job, job, local, ownership, states
from tests.launch import launching

MINE = Job(
    "a",
    ("--config=c/td3_bc.py:x,smoke", "--config.seeds=2", "--config.dataset={out}/d", "--config.rate=3e-4"),
)
CONFIG = {
    "task": "x", "seeds": 2, "seed": 0, "dataset": "OUT/d", "rate": 3e-4, "flag": True, "hidden": [8, 8],
    "section": {"value": 0.5},
}  # fmt: skip


def finished(out, config=CONFIG, arguments=None, name="a"):
    folder = out / name
    (folder / "report").mkdir(parents=True)
    (folder / "report" / "index.html").touch()
    (folder / "summary.json").write_text(json.dumps({"seeds": [0]}))
    text = json.dumps({"config": config}).replace("OUT", str(out))
    (folder / "config.json").write_text(text)
    if arguments is not None:
        (folder / "job.json").write_text(json.dumps({"state": "done", "arguments": arguments}))
    return out


def with_flags(*flags):
    return MINE._replace(arguments=(*MINE.arguments, *flags))


@pytest.mark.parametrize("recorded", [None, list(MINE.arguments)])
def test_its_own_workdir_is_done(recorded, tmp_path):
    out = finished(tmp_path, arguments=recorded)
    assert ownership.foreign(MINE, out) == ""
    assert job.settled(MINE, out).state == states.of(MINE, out).state == "done"


def test_the_folder_of_all_workdirs_may_have_been_another_one(tmp_path):
    out = finished(tmp_path, CONFIG | {"dataset": "/elsewhere/d"}, list(MINE.arguments))
    assert ownership.foreign(MINE, out) == ""
    other = finished(tmp_path / "other", CONFIG | {"dataset": "/elsewhere/e"}, list(MINE.arguments))
    assert "--config.dataset is '/elsewhere/e' there" in ownership.foreign(MINE, other, "look")


@pytest.mark.parametrize(
    "flags",
    ["--config.flag=true", "--config.flag=True", "--config.hidden=(8, 8)", "--config.section.value=.5",
     "--config.section.unknown=1", "--config.new=1", "--config.seed=0", "--other=1"],
)  # fmt: skip
def test_fields_that_agree_or_cannot_be_compared_are_fine(flags, tmp_path):
    assert ownership.foreign(with_flags(flags), finished(tmp_path)) == ""


@pytest.mark.parametrize(
    "flag",
    ["--config.flag=false", "--config.hidden=(8, 9)", "--config.section.value=0.6", "--config.seeds=4",
     "--config.seed=1", "--config.dataset=other", "--config.rate=1e-4", "--config=c/td3_bc.py:y"],
)  # fmt: skip
def test_a_recorded_configuration_with_another_value_is_foreign(flag, tmp_path):
    out = finished(tmp_path)
    other, name = with_flags(flag), flag.partition("=")[0]
    told = ownership.foreign(other, out)
    assert str(out / "a") in told and name in told and "\n" not in told
    assert job.settled(other, out) == job.Outcome("failed", 2, told)
    assert states.of(other, out).state == "failed" and states.of(other, out).detail == told
    assert ownership.foreign(with_flags(flag, "--accept_changes"), out) == ""


@pytest.mark.parametrize(
    "recorded",
    [[], ["--config=c/bc.py:x,smoke", *MINE.arguments[1:]], [*MINE.arguments, "--config.alpha=1"],
     list(MINE.arguments[:-1])],
)  # fmt: skip
def test_flags_of_another_job_are_foreign_though_the_configuration_agrees(recorded, tmp_path):
    told = ownership.foreign(MINE, finished(tmp_path, arguments=recorded))
    assert "holds another job" in told and "\n" not in told


@pytest.mark.parametrize("damaged", ["", "{", "[]", "3", '{"config": 3}', '{"config": {"seeds": null}}'])
def test_a_configuration_that_cannot_be_read_tells_nothing(damaged, tmp_path):
    out = finished(tmp_path)
    (out / "a" / "config.json").write_text(damaged)
    assert ownership.foreign(MINE, out) == ""


def test_a_launcher_does_not_call_another_jobs_results_its_own(tmp_path, monkeypatch, capsys):
    """The name of one arm led into the workdir of another one."""
    monkeypatch.chdir(launching.fake_checkout(tmp_path))
    out = tmp_path / "runs"
    first = Job("bc_x", ("--config=bc.py:x",))
    assert local.run([first], out)["bc_x"].state == "done"
    second = Job("bc_x", ("--config=td3_bc.py:x",))
    ended = local.run([second, Job("after", ("--expert={out}/bc_x",))], out)
    assert ended["bc_x"].status == 2 and "td3_bc:x" in ended["bc_x"].error
    assert ended["after"].error == "not started, because it needs bc_x"
    assert "done before" not in capsys.readouterr().out
    assert len(launching.starts(out / "bc_x")) == 1
    assert local.run([first], out)["bc_x"].state == "done"  # and its own record is untouched
