"""Progress on stderr: a bar on a terminal, few lines without carriage returns elsewhere."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from tqdm import tqdm

from rankq_jax import configs, tasks
from rankq_jax.loop import Progress
from rankq_jax.training import consumers, progress


class Clock:
    """Seconds that a test sets."""

    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    found = Clock()
    monkeypatch.setattr(progress.Lines.__init__, "__defaults__", ("", 0.0, found))
    return found


def test_a_line_every_half_minute_and_one_at_each_end(clock, capsys):
    lines = progress.shown(10_000, "update")
    assert isinstance(lines, progress.Lines)
    for _ in range(400):  # 100 s, each of five updates in 0.25 s
        lines.set_description("offline")
        clock.now += 0.25
        lines.update(5)
        lines.set_postfix_str("0 env steps/s")
    lines.set_description("online")
    clock.now += 5.0
    lines.update(1)
    lines.close()
    lines.close()
    text = capsys.readouterr().err
    assert "\r" not in text and text.endswith("\n")
    assert text.splitlines() == [
        # 595 updates in 29.75 s since the first ones were there; then 600 in 30 s.
        "offline: 6 % 600/10000 [00:30<07:50, 20.00update/s, 0 env steps/s]",
        "offline: 12 % 1200/10000 [01:00<07:20, 20.00update/s, 0 env steps/s]",
        "offline: 18 % 1800/10000 [01:30<06:50, 20.00update/s, 0 env steps/s]",
        "offline: 20 % 2000/10000 [01:40<06:40, 20.00update/s, 0 env steps/s]",
        "online: 20 % 2001/10000 [01:45<11:06:35,  5.00s/update, 0 env steps/s]",
    ]


def test_the_rate_of_a_run_that_goes_on_is_its_own(clock, capsys):
    lines = progress.shown(10_000, "update", "offline")
    lines.update(9_000)
    for _ in range(3):
        clock.now += 10.0
        lines.update(100)
    assert capsys.readouterr().err == "offline: 93 % 9300/10000 [00:30<01:10, 10.00update/s]\n"


def test_another_interval(clock, capsys, monkeypatch):
    monkeypatch.setenv("TQDM_MININTERVAL", "2")
    lines = progress.shown(100, "update", "offline")
    for _ in range(4):
        clock.now += 1.0
        lines.update(1)
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_what_is_done_at_once_or_never_began_says_nothing(clock, capsys):
    with progress.shown(10, "step", "making data", delay=0.2) as lines:
        lines.update(10)
    with progress.shown(10, "step", "making data"):
        clock.now += 60.0
    assert capsys.readouterr().err == ""
    with progress.shown(10, "step", "making data", delay=0.2) as lines:
        clock.now += 0.5
        lines.update(10)
    assert capsys.readouterr().err == "making data: 100 % 10/10 [00:00<00:00, 20.00step/s]\n"


def test_a_terminal_has_a_bar(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress.shown(10, "step", "making data") as bar:
        bar.update(3)
    assert isinstance(bar, tqdm) and "\r" in capsys.readouterr().err


def test_a_run_in_a_log_is_a_line_for_each_phase(clock, capsys):
    config = configs.parse(configs.arm("rankq", "pointmaze-umaze,smoke"))
    bar = consumers.Bar(config, tasks.find("pointmaze-umaze"), 0)
    for phase, updates in [("offline", n) for n in range(1, 41)] + [("online", 42)]:
        clock.now += 0.1
        bar.updated(phase, Progress(updates=updates), {})
    bar.evaluated("online", None, SimpleNamespace(metrics={"success": np.array([[True, False]])}))
    bar.close()
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in told] == ["offline", "online"]
    assert "40/76" in told[0] and told[1].endswith("evaluation: success 0.50]")


def test_a_phase_that_collects_before_all_updates_is_heard_of(clock, capsys):
    config = configs.parse(configs.arm("rankq", "widowx-carrot-on-plate-target"))
    bar = consumers.Bar(config, tasks.find("widowx-carrot-on-plate-target"), 0)
    for steps in range(200, 5_001, 200):  # 4 s each
        clock.now += 4.0
        bar.collected(SimpleNamespace(phase="collect", updates=0, env_steps=steps, episodes=[]))
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in told] == ["collect"] * 3
    assert "0/5000 [00:32" in told[0] and told[0].endswith("1600 env steps, success -]")
