"""Every field of every record of a workdir replaced by whatever JSON knows: states all the same."""

import copy
import json
import math
import socket

import pytest

from rankq_jax.launch import Job, errors, job, local, record, states, status
from tests.launch import launching

HERE = socket.gethostname()
MISSING = object()
OTHERS = [MISSING, None, True, -1, 0.5, 10**400, math.inf, -math.inf, math.nan, 1e308, "", "word",
          "a\nb\udcff\x1b", [], [None], [1, "a"], [[0.5]], {}, {"total": None}]  # fmt: skip
RECORDS = {
    "job.json": {
        "state": "running", "status": None, "error": "", "failures": 1, "starts": 2, "host": HERE,
        "process": 1, "started": 1.0, "ended": None, "arguments": [],
    },
    "config.json": {
        "config": {
            "offline": {"updates": 900}, "online": {"env_steps": 200, "updates_per_step": 0.5}, "task": "x",
        },
    },
    "summary.json": {"seeds": [0], "offline_success_rate": [None], "final_success_rate": [0.5]},
    "metrics.jsonl": {"phase": "offline", "seed": 0, "updates": 20, "seconds": {"total": 2.0}},
}  # fmt: skip


def paths_of(value, prefix=()):
    """Every field of a record, those inside of fields too, and the record itself."""
    yield prefix
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from paths_of(inner, (*prefix, key))


def changed(value, path, other):
    if not path:
        return other
    result = copy.deepcopy(value)
    place = result
    for key in path[:-1]:
        place = place[key]
    if other is MISSING:
        del place[path[-1]]
    else:
        place[path[-1]] = other
    return result


CASES = [(file, path) for file, whole in RECORDS.items() for path in paths_of(whole)]


def write(folder, finished, file=None, content=MISSING):
    (folder / "report").mkdir(parents=True, exist_ok=True)
    (folder / "report" / "index.html").touch()
    for name, whole in RECORDS.items():
        if name == "summary.json" and not finished:
            (folder / name).unlink(missing_ok=True)
            continue
        found = content if name == file else whole
        text = "" if found is MISSING else json.dumps(found)
        if name == "metrics.jsonl":
            text = (
                json.dumps({**whole, "updates": 10, "seconds": {"total": 1.0}}) + f"\n{text}\n" + text + "\n"
            )
        (folder / name).write_text(text)


@pytest.fixture
def shown(monkeypatch, capsys, tmp_path):
    """`(exit status, stdout, stderr)` of `launch.status`."""
    (tmp_path / "sweep.py").write_text("from rankq_jax.launch import Job\nSWEEP = [Job('a', ())]\n")

    def run(*words):
        ended = launching.status(status, tmp_path / "sweep.py", f"--out={tmp_path}", *words)
        return ended, *capsys.readouterr()

    return run


@pytest.mark.parametrize(
    ("file", "path"), CASES, ids=lambda x: x if isinstance(x, str) else ".".join(map(str, x))
)
def test_a_field_of_another_type_has_a_state_all_the_same(file, path, shown, tmp_path):
    for other in OTHERS:
        for finished in (True, False):
            content = changed(RECORDS[file], path, other) if path or other is not MISSING else MISSING
            write(tmp_path / "a", finished, file, content)
            ended, printed, told = shown("--json")
            assert (ended, told) == (0, ""), (other, told)
            (state,) = json.loads(printed, parse_constant=pytest.fail)
            assert state["state"] in states.ORDER and "\n" not in state["detail"]
            if finished:
                assert state["state"] in ("done", "failed")
            assert state["progress"] is None or 0 <= state["progress"] <= 1
            assert isinstance(state["failures"], int)
    ended, printed, told = shown()
    assert (ended, told) == (0, "") and printed.splitlines()[-1].startswith("1 job: 1 ")


@pytest.mark.parametrize(
    ("file", "field", "value"),
    [("summary.json", "final_success_rate", [math.inf]), ("summary.json", "seeds", 3),
     ("summary.json", "offline_success_rate", "high"), ("job.json", "failures", "x"),
     ("job.json", "state", 3), ("job.json", "state", "fine"), ("job.json", "host", [])],
)  # fmt: skip
def test_the_row_names_file_and_field(file, field, value, shown, tmp_path):
    write(tmp_path / "a", True, file, {**RECORDS[file], field: value})
    _, printed, _ = shown()
    assert f"{tmp_path / 'a' / file}: cannot read {field}" in printed


@pytest.mark.parametrize("text", ["[" * 100_000, '{"failures": ' + "9" * 5000 + "}", "\0", "{", '{"a": 1} x'])
@pytest.mark.parametrize("file", RECORDS)
def test_texts_that_are_no_records(file, text, shown, tmp_path):
    write(tmp_path / "a", True)
    (tmp_path / "a" / file).write_text(text)
    assert shown()[::2] == (0, "")


@pytest.mark.parametrize("field", RECORDS["job.json"])
def test_a_launcher_goes_on_with_a_damaged_record(field, tmp_path, monkeypatch):
    monkeypatch.chdir(launching.fake_checkout(tmp_path))
    out = tmp_path / "runs"
    for i, other in enumerate((None, "x", [], {}, math.inf)):
        folder = out / f"j{i}"
        folder.mkdir(parents=True)
        left = {**RECORDS["job.json"], "state": "failed", "host": "elsewhere", field: other}
        (folder / "job.json").write_text(json.dumps(left))
        assert job.exhausted(folder, 2) is None
    jobs = [Job(f"j{i}", ("--rounds=1",)) for i in range(2)]
    assert {ended.state for ended in local.run(jobs, out).values()} == {"done"}
    assert record.read(out / "j0")["arguments"] == ["--rounds=1"]


def test_a_signal_without_a_name_is_a_cause(tmp_path):
    assert errors.cause(-35, tmp_path / "log", 0) == "killed by signal 35"
    assert errors.cause(-15, tmp_path / "log", 0) == "killed by SIGTERM"
