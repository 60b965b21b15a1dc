"""The page about a sweep: its numbers, its pictures, and how it comes to be on disk."""

import html
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from rankq_jax import writers
from rankq_jax.analysis import curves, statistics, sweep_page, sweeps
from rankq_jax.analysis.curves import Line
from rankq_jax.analysis.evaluations import Curve
from rankq_jax.errors import InputError
from rankq_jax.training import report
from tests.analysis.fake_runs import launched, workdir

PNG = b"\x89PNG"


@pytest.fixture(autouse=True)
def few_resamples(request, monkeypatch):
    """Where no interval is looked at; the others ask for `intervals`."""
    if "intervals" not in request.fixturenames:
        monkeypatch.setattr(statistics, "RESAMPLES", 20)


@pytest.fixture
def intervals():
    """As many resamples as a page has."""


def sections(*folders):
    return dict(sweep_page.sections(sweeps.read(folders)))


def rows(text):
    """`[cells]` of the rows of a table, without its head."""
    found = re.findall(r"<tr>(.*?)</tr>", text)[1:]
    return [[html.unescape(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)] for row in found]


def four_seeds(root, **changes):
    """Successes of four offline: 1 2 3 4 of 4 episodes; at the end: 0 1 3 4, one workdir for two seeds."""
    workdir(root / "rankq_seeds0-1", {0: (0, 1, 0), 1: (0, 2, 1)}, **changes)
    workdir(root / "rankq_seeds2-3", {2: (0, 3, 3), 3: (1, 4, 4)}, **changes)


def test_the_final_table_by_hand(tmp_path, intervals):
    four_seeds(tmp_path)
    workdir(tmp_path / "sac", {5: (0, 1, 1)}, name="sac")
    workdir(tmp_path / "sac_6", {6: (0, 1)}, name="sac")
    workdir(tmp_path / "td3", {0: (0,)}, name="td3")
    table = rows(sections(tmp_path)["pointmaze-umaze: final results"])
    # One of four is left out at either end: of 25 50 75 100 it is 62.5, of 0 25 75 100 it is 50, of the
    # lengths 50 40 20 10 it is 30. Four times the lowest seed is one resample of 256, but the middle two
    # are the lowest seed in 13 of them, 5 %, more than 2.5 %: the intervals reach from end to end.
    ends = ["62.5 [25.0, 100.0]", "50.0 [0.0, 100.0]", "-30.0 [-50.0, -10.0]", "30 [10, 50]"]
    assert table == [
        ["rankq", "4", *ends, "100"],
        ["sac", "1 of 2", "25.0", "25.0", "-40.0", "40", "50"],
        ["td3", "0 of 1", "-", "-", "-", "-", "-"],
    ]  # updates/s: 150 updates of two seeds in 3 s, and of one seed


def test_the_table_of_a_task_judged_by_return(tmp_path, intervals):
    four_seeds(tmp_path, task="expert-ant")
    text = sections(tmp_path)["expert-ant: final results"]
    assert "offline return" in text and "success (%)" not in text
    # lengths 40 30 20 10 and 50 40 20 10, of which the return is the negative
    assert rows(text)[0][2:4] == ["-25.0 [-40.0, -10.0]", "-30.0 [-50.0, -10.0]"]


def test_phases_that_an_arm_leaves_out(tmp_path):
    folder = workdir(tmp_path / "online", {0: (0, 0, 1)}, offline__updates=0)
    content = json.loads((folder / "summary.json").read_text()) | {"offline_success_rate": [None]}
    (folder / "summary.json").write_text(json.dumps(content))
    assert rows(sections(tmp_path)["pointmaze-umaze: final results"])[0][2:4] == ["-", "25.0"]


def test_all_tasks_together(tmp_path, intervals):
    four_seeds(tmp_path / "x")
    four_seeds(tmp_path / "y", task="pointmaze-medium")
    found = sections(tmp_path / "x", tmp_path / "y")
    text = found["All tasks together"]
    # 0 0 25 25 75 75 100 100: two at either end are left out, (25 + 25 + 75 + 75) / 4
    (row,) = rows(text)
    assert row[:2] == ["rankq", "4"] and row[2].startswith("50.0 [") and text.count("data:image/png") == 1
    low, high = map(float, re.findall(r"[\d.]+", row[2])[1:])
    assert 0 < low < 50 < high < 100  # narrower than on one task
    assert "Missing here" not in text
    workdir(tmp_path / "x" / "sac", {0: (0, 0, 0)}, name="sac")
    assert "sac: has no run on pointmaze-medium." in sections(tmp_path / "x", tmp_path / "y")[
        "All tasks together"
    ]  # fmt: skip


def test_one_task_has_nothing_together(tmp_path):
    four_seeds(tmp_path)
    text = sections(tmp_path)["All tasks together"]
    assert "Missing here: All runs are of one task" in text and "data:image" not in text


def test_the_jobs_section(tmp_path):
    four_seeds(tmp_path)
    launched(tmp_path / "sac", state="failed", error="no <such> dataset", starts=3, failures=3)
    found = sections(tmp_path)
    assert "3 jobs: 2 done, 1 failed." in found["Jobs"]
    assert rows(found["Jobs that are not done"]) == [
        ["sac", "failed", "3", "3", "here", "-", "no <such> dataset"]
    ]
    assert "<such>" not in found["Jobs that are not done"]
    (tmp_path / "sac" / "job.json").unlink()
    assert "Every job is done." in sections(tmp_path)["Jobs that are not done"]


def test_a_sweep_of_which_nothing_can_be_read(tmp_path):
    launched(tmp_path / "a", state="failed", error="killed by SIGKILL")
    page = report.write(tmp_path / "out", [tmp_path])
    assert "killed by SIGKILL" in page.read_text() and "no readable run" in page.read_text()


def test_where_the_runs_come_from(tmp_path):
    four_seeds(tmp_path)
    found = sections(tmp_path)
    assert 'class="warning"' not in found["Jobs"]
    origin = found["How the numbers were made"]
    assert "Commit c0ffee; jax 1.0." in origin and "2000 bootstrap resamples" in origin
    assert "of 12000 transitions, 100 offline updates, then 200 environment steps per seed" in origin
    workdir(tmp_path / "other", {9: (0, 0, 0)}, commit="bad")
    assert "differ in their commit: bad (rankq) and c0ffee (rankq)" in sections(tmp_path)["Jobs"]


def test_the_line_of_an_arm(tmp_path, intervals):
    four_seeds(tmp_path)
    (whole,) = sweeps.read([tmp_path]).sections["pointmaze-umaze"]
    drawn = sweep_page.line(whole, 3, "success")
    assert (drawn.label, drawn.number) == ("rankq", 3)
    np.testing.assert_array_equal(drawn.position, [-50, 0, 200])
    # Of 0 0 0 25 % one is left out at either end; that two of the middle are the highest happens in 5 %.
    np.testing.assert_allclose(drawn.value, [0, 0.625, 0.5])
    np.testing.assert_allclose(drawn.low, [0, 0.25, 0])
    np.testing.assert_allclose(drawn.high, [0.25, 1, 1])
    assert not drawn.partial.any()


def test_the_line_of_an_unfinished_arm_says_so(tmp_path, intervals):
    workdir(tmp_path / "a", {0: (0, 1, 2)})
    workdir(tmp_path / "b", {1: (2, 3)})
    workdir(tmp_path / "c", {2: ()}, name="later")
    arm, later = sweeps.read([tmp_path]).sections["pointmaze-umaze"]
    drawn = sweep_page.line(arm, 0, "success")
    assert drawn.label == "rankq: 1 of 2 seeds finished"
    np.testing.assert_array_equal(drawn.partial, [False, False, True])
    np.testing.assert_allclose(drawn.value, [0.25, 0.5, 0.5])
    np.testing.assert_allclose(drawn.low, [0, 0.25, 0.5])
    assert sweep_page.line(later, 1, "success") is None
    text = sections(tmp_path)["pointmaze-umaze: learning curves"]
    assert "Not evaluated yet: later." in text and "Hollow points" in text


def test_thresholds_are_the_scores_that_occur():
    found = sweep_page.thresholds([np.array([0.5, 0.25]), np.array([[0.5], [1.0]])], share=True)
    np.testing.assert_array_equal(found, [0.0, 0.25, 0.5, 1.0])
    found = sweep_page.thresholds([np.array([-30.0]), np.array([-10.0, -20.0])], share=False)
    np.testing.assert_allclose(found, [-31.0, -30.0, -20.0, -10.0])
    assert (np.diff(sweep_page.thresholds([np.array([-7.0])], share=False)) > 0).all()


@pytest.fixture
def figure(monkeypatch):
    """The last figure that was drawn."""
    drawn = []

    def keep(one):
        drawn[:] = [one]
        return PNG

    monkeypatch.setattr(curves, "png", keep)
    return drawn


def looks(axes, labels):
    named = [line for line in axes.get_lines() if line.get_label() in labels]
    assert [line.get_label() for line in named] == labels
    return [(line.get_color(), line.get_linestyle(), line.get_marker()) for line in named]


def test_a_hundred_lines_differ_and_none_is_left_out(figure):
    labels = [f"arm {i}" for i in range(100)]
    curve = Curve(np.array([0, 1]), np.array([[0.0, 1.0], [1.0, 1.0]]))
    seeds = [curves.of_seeds(label, i, curve) for i, label in enumerate(labels)]
    curves.learning_curves({"success rate": seeds})
    old = looks(figure[0].axes[0], labels)
    x = np.array([0.0, 1.0])
    lines = [Line(label, i, x, x, x, x, x > 0) for i, label in enumerate(labels)]
    curves.learning_curves({"success rate": lines, "length": lines})
    assert [text.get_text() for text in figure[0].axes[1].get_legend().get_texts()] == labels
    assert looks(figure[0].axes[0], labels) == looks(figure[0].axes[1], labels) == old
    assert len(set(old)) == 100
    assert len({colour for colour, _, _ in old[:10]}) == 10  # colours are used up first
    assert len({(dashes, marker) for _, dashes, marker in old[:10]}) == 1


def test_profiles_are_steps_that_hold_to_the_next_threshold(figure):
    x = np.array([0.0, 0.5, 1.0])
    curves.profiles([Line("a", 1, x, 1 - x, x * 0, x * 0 + 1, x < 0)], "success rate")
    (drawn,) = [line for line in figure[0].axes[0].get_lines() if line.get_label() == "a"]
    assert drawn.get_drawstyle() == "steps-post"
    np.testing.assert_array_equal(drawn.get_ydata(), [1.0, 0.5, 0.0])


def test_an_arm_looks_the_same_everywhere(tmp_path, monkeypatch):
    workdir(tmp_path / "a", {0: (0, 0, 0)}, name="one", task="pointmaze-medium")
    workdir(tmp_path / "b", {0: (0, 0, 0)}, name="two", task="pointmaze-medium")
    workdir(tmp_path / "c", {0: (0, 0, 0)}, name="two")
    numbers = {}

    def remember(panels):
        for line in (line for lines in panels.values() for line in lines):
            numbers.setdefault(line.label, set()).add(line.number)
        return PNG

    monkeypatch.setattr(curves, "learning_curves", remember)
    monkeypatch.setattr(curves, "profiles", lambda lines, quantity: remember({quantity: lines}))
    sections(tmp_path)
    assert numbers == {"one": {0}, "two": {1}}


def test_the_page_of_a_sweep_is_one_file(tmp_path):
    four_seeds(tmp_path / "sweep")
    page = report.write(tmp_path / "sweep" / "report", [tmp_path / "sweep"])
    text = page.read_text()
    assert text.count("data:image/png") == 2  # curves and profile
    assert "<script" not in text and not re.search(r"(src|href)=.(?!data:)", text)
    assert [path.name for path in page.parent.iterdir()] == ["index.html"]
    assert report.write(tmp_path / "sweep" / "report", [tmp_path / "sweep"]).read_text() == text


def test_a_run_and_a_sweep_are_one_page(tmp_path):
    four_seeds(tmp_path / "sweep")
    run = workdir(tmp_path / "other", {0: (0, 0, 1)}, name="sac")
    text = report.write(tmp_path / "out", [tmp_path / "sweep", run]).read_text()
    assert "3 jobs: 3 done." in text and "sweep over pointmaze-umaze" in text


@pytest.mark.parametrize("file", ["summary.json", "evaluations.jsonl", "trajectories-offline.npz"])
def test_a_damaged_run_on_its_own_is_refused(file, tmp_path):
    run = workdir(tmp_path / "run", {0: (0, 0, 1)})
    (run / file).write_text('{"a": 1}\n')
    with pytest.raises(InputError, match=re.escape(str(run / file))):
        report.write(tmp_path / "out", [run])
    assert not (tmp_path / "out").exists()


def test_a_text_is_written_in_one_move(tmp_path, monkeypatch):
    path = tmp_path / "index.html"
    writers.write_text(path, "old")
    seen = []

    def moved(self, target):
        seen.append((path.read_text(), self.read_text(), self.parent == path.parent, target))
        return real(self, target)

    def synced(descriptor):
        seen.append(os.fstat(descriptor).st_size)

    real = Path.replace
    monkeypatch.setattr(Path, "replace", moved)
    monkeypatch.setattr(os, "fsync", synced)
    writers.write_text(path, "new text")
    # All of it was on the disk before the move, and until then the old text stood there.
    assert seen == [8, ("old", "new text", True, path)]
    assert path.read_text() == "new text" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_page_leaves_the_old_one(failure, tmp_path, monkeypatch):
    four_seeds(tmp_path / "sweep")
    page = report.write(tmp_path / "out", [tmp_path / "sweep"])
    before = page.read_text()
    workdir(tmp_path / "sweep" / "more", {0: (0, 0, 0)}, name="more")

    def fail(descriptor):
        raise failure

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises((InputError, KeyboardInterrupt)) as caught:
        report.write(tmp_path / "out", [tmp_path / "sweep"])
    if isinstance(failure, OSError):
        assert str(caught.value) == f"{page}: cannot be written (No space left on device)."
    assert page.read_text() == before and list(page.parent.iterdir()) == [page]
