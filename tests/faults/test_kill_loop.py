"""A few kills of the loop, and that its comparison notices what it is there for."""

import json
import shutil
import signal

import numpy as np
import pytest

from tests.faults import kill_loop
from tests.faults.comparison import compare, newest


@pytest.fixture
def a_loop(nursery, straight, tmp_path):
    def make(number):
        loop = kill_loop.Loop(nursery, tmp_path, np.random.default_rng(0), number=number)
        shutil.copytree(straight, loop.reference("one seed"))
        loop.paces["one seed"] = kill_loop.Pace(start=0.3, train=1.0, report=0.1)
        return loop

    return make


def test_runs_that_are_killed_end_like_one_that_is_not(a_loop):
    loop = a_loop(signal.SIGKILL)
    report = loop.run("one seed", ["start", "offline", "rows", "checkpoint", "report"])
    assert report.found.mismatches == [] and report.found.lost == 0
    assert report.places[0] == "start-up" and report.places[-1] == "summary or report"
    assert "checkpoint" in report.places


def test_runs_that_are_asked_to_stop_end_like_one_that_is_not(a_loop):
    report = a_loop(signal.SIGTERM).run("one seed", ["start", "offline", "online", "any", "report"])
    assert report.found.mismatches == [] and report.found.lost == 0
    assert report.places[0] == "start-up" and len(report.places) >= 3


def line_dropped(folder):
    path = folder / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:3] + lines[4:]))


def line_twice(folder):
    path = folder / "evaluations.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:3], lines[2], *lines[3:]]))


def number_changed(folder):
    path = folder / "metrics.jsonl"
    lines = path.read_text().splitlines()
    record = json.loads(lines[5])
    name = next(name for name in record if name not in ("phase", "updates", "env_steps", "seed", "seconds"))
    record[name] = float(np.nextafter(record[name], 1e9))
    path.write_text("\n".join([*lines[:5], json.dumps(record), *lines[6:]]) + "\n")


def another_checkpoint(folder):
    """The last but one in the place of the last: what a resume from the wrong state would leave."""
    last = newest(folder)
    shutil.rmtree(last / "agent")
    shutil.copytree(last.with_name(str(int(last.name) - 1)) / "agent", last / "agent")


def another_environment(folder):
    last = newest(folder)
    shutil.rmtree(last / "env")
    shutil.copytree(last.with_name(str(int(last.name) - 1)) / "env", last / "env")


def row_changed(folder):
    path = max((folder / "checkpoints" / "replay").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    with np.load(path) as file:
        content = {key: file[key].copy() for key in file.files}
    content["seed0/leaf0"].reshape(-1).view(np.uint32)[-1] ^= 1
    np.savez(path, **content)


def rows_gone(folder):
    checkpoint = newest(folder)
    path = checkpoint / "about" / "metadata"
    about = json.loads(path.read_text())
    about["segments"] = about["segments"][1:]
    path.write_text(json.dumps(about))


def summary_changed(folder):
    path = folder / "summary.json"
    path.write_text(path.read_text().replace('"restarts": 0', '"restarts": 1'))


def page_cut(folder):
    path = folder / "report" / "index.html"
    path.write_text(path.read_text()[:-200])


def leftover(folder):
    (folder / "checkpoints" / "replay" / "rows-99.tmp").write_bytes(b"half")


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        (line_dropped, "metrics.jsonl: "),
        (line_twice, "evaluations.jsonl: "),
        (number_changed, "metrics.jsonl: "),
        (another_checkpoint, "agent"),
        (another_environment, "env"),
        (row_changed, "replay seed0/leaf0: other values"),
        (rows_gone, "are missing"),
        (summary_changed, "summary.json: "),
        (page_cut, "report/index.html: not whole"),
        (leftover, "rows-99.tmp: left behind"),
    ],
)
def test_the_comparison_notices(broken, named, straight, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(straight, folder)
    assert compare(straight, folder) == ([], 0)
    broken(folder)
    found = compare(straight, folder)
    assert any(named in line for line in found.mismatches), found
    assert found.lost == (1 if broken in (line_dropped, number_changed) else 0)
