"""What a packed sweep has trained is not trained again, by whatever command comes next."""

import sys
from pathlib import Path

import pytest

from rankq_jax.launch import Job, commands, job, local, packs, record, results, sweep
from tests.launch import launching

WHOLE = [
    Job("a", ("--config=a", "--config.seed=0", "--config.seeds=5")),
    Job("b", ("--config=b", "--config.seeds=2")),
    Job("c", ("--config=c",)),
]


def begun(out, *found):
    for name in found:
        (out / name).mkdir(parents=True)
    return out


def names_of(jobs):
    return [one.name for one in jobs]


@pytest.mark.parametrize("most", [1, 2, 3, 4, 5, 7])
def test_a_folder_is_gone_on_with_as_it_was_begun(most, tmp_path):
    expected = sweep.packed(WHOLE, most)
    for i in range(1, len(expected) + 1):
        out = begun(tmp_path / str(i), *names_of(expected)[:i])
        assert packs.jobs(WHOLE, None, out) == expected
        assert packs.jobs(WHOLE, most, out) == expected


def test_nothing_begun_is_as_it_is_asked_for(tmp_path):
    assert packs.jobs(WHOLE, None, tmp_path) == packs.jobs(WHOLE, 0, tmp_path / "none") == WHOLE
    assert packs.jobs(WHOLE, 2, tmp_path / "none") == sweep.packed(WHOLE, 2)


@pytest.mark.parametrize(
    ("found", "most"),
    [
        (["a_seeds0-1"], 0), (["a_seeds0-1"], 3), (["a_seed0"], 2), (["a"], 2), (["a"], 1),
        (["a_seeds0-1", "a"], None), (["a_seeds0-1", "a"], 2), (["a_seeds0-1", "a_seeds0-2"], None),
        (["a_seeds1-2"], None), (["a_seed7"], None),
    ],
)  # fmt: skip
def test_another_split_beside_the_first_is_refused(found, most, tmp_path):
    with pytest.raises(ValueError, match=str(tmp_path)) as caught:
        packs.jobs(WHOLE, most, begun(tmp_path / "out", *found))
    assert "\n" not in str(caught.value)


def test_a_job_with_the_name_of_a_part_is_none(tmp_path):
    jobs = [WHOLE[0], Job("a_seed0", ())]
    assert packs.jobs(jobs, None, begun(tmp_path, "a_seed0")) == jobs
    with pytest.raises(ValueError, match="--pack: two jobs are named 'a_seed0'"):
        sweep.packed(jobs, 1)


def test_too_many_parts_are_refused():
    many = Job("a", ("--config=a", "--config.seeds=1000000000000"))
    with pytest.raises(ValueError, match="--pack=1: makes more than 10000 jobs"):
        sweep.packed([many], 1)


@pytest.fixture
def fake(tmp_path, monkeypatch):
    monkeypatch.chdir(launching.fake_checkout(tmp_path))
    (tmp_path / "sweep.py").write_text(
        "from rankq_jax.launch import Job\n"
        "SWEEP = [Job('a', ('--config=x', '--config.seeds=2')), Job('b', ())]\n"
    )
    tables = []
    monkeypatch.setattr(commands, "check", lambda jobs, out: None)
    monkeypatch.setattr(
        results, "table_command", lambda dirs, *rest: tables.append(dirs) or [sys.executable, "-c", ""]
    )
    return tables


def start(monkeypatch, command, *words):
    return launching.status(command, "sweep.py", "--out=out", *words)


def test_the_results_of_a_packed_sweep_train_nothing(fake, monkeypatch):
    assert start(monkeypatch, local, "--pack=1") == 0
    parts = ["a_seed0", "a_seed1", "b"]
    assert sorted(path.name for path in Path("out").iterdir()) == parts
    assert start(monkeypatch, results, "--table=t.md") == 0
    assert start(monkeypatch, results, "--table=t.md", "--pack=1") == 0
    assert sorted(path.name for path in Path("out").iterdir()) == parts
    assert [len(launching.starts(Path("out") / name)) for name in parts] == [1, 1, 1]
    assert fake == [[Path("out") / name for name in parts]] * 2
    assert start(monkeypatch, results, "--table=t.md", "--pack=0") == 2  # and trains nothing
    assert start(monkeypatch, local, "--pack=0") == 2
    assert sorted(path.name for path in Path("out").iterdir()) == parts


def test_an_arm_with_a_failed_part_is_left_out_whole(fake, monkeypatch, capsys):
    def run(jobs, out, attempts, minutes):
        states = {one.name: record.FAILED if one.name == "a_seed1" else record.DONE for one in jobs}
        return {name: job.Outcome(state, int(state == record.FAILED)) for name, state in states.items()}

    monkeypatch.setattr(local, "run", run)
    assert start(monkeypatch, results, "--table=t.md", "--pack=1") == 1
    assert fake == [[Path("out/b")]]
    assert "failed: a_seed1" in capsys.readouterr().err
