"""What evaluations are measured by: a new entry of the one list is in every record, table and page."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest

from rankq_jax import configs, loop, tasks
from rankq_jax.analysis import comparison, statistics, sweep_page, sweeps, tables
from rankq_jax.evaluation import Evaluation
from rankq_jax.tasks import Measure
from rankq_jax.tasks import task as task_module
from rankq_jax.timing import Stopwatch
from rankq_jax.training import report, summary
from rankq_jax.training.records import Records
from rankq_jax.types import Episodes
from tests.analysis.fake_runs import POINTS, workdir

UMAZE = tasks.find("pointmaze-umaze")
EFFORT = Measure("effort", "mean_effort", "effort (N)", lambda task, episode: np.abs(episode.action).sum(),
                 digits=2, unit="N", higher_is_better=False)  # fmt: skip

CHOICES = {  # fields that only tables read
    "online__updates_per_step": 1.0, "online__mixing_ratio": -1.0, "online__mixing_ratio_final": 0.5,
    "online__mixing_anneal": 0, "actor_hidden": [8], "critic_hidden": [8], "critics": 2, "batch_size": 8,
}  # fmt: skip


def episode(rewards, actions=None):
    steps = len(rewards)
    nothing = np.zeros(steps, bool)
    action = np.zeros((steps, 2)) if actions is None else np.array(actions)
    seen = np.zeros((steps, 4))
    return Episodes(seen, action, np.array(rewards), seen, nothing, nothing, nothing, np.zeros(steps), {})


@pytest.fixture
def with_effort(monkeypatch):
    """The list with one entry more."""
    monkeypatch.setattr(task_module, "MEASURES", (*tasks.MEASURES, EFFORT))
    monkeypatch.setattr(statistics, "RESAMPLES", 20)


@pytest.mark.parametrize(("rewards", "expected"), [([-20], 0), ([80], 100), ([10, 20], 50), ([180], 200)])
def test_a_normalized_score_lies_between_the_references(rewards, expected):
    task = UMAZE._replace(reference=(-20.0, 80.0), reference_of="D4RL")
    assert task.measure(episode(rewards))["normalized_score"] == pytest.approx(expected)


def test_what_a_task_is_measured_by():
    both = ["success", "normalized_score", "return", "length"]
    assert [m.name for m in UMAZE._replace(reference=(0.0, 1.0)).measures] == both
    dense = UMAZE._replace(success=None, reference=(0.0, 1.0))
    assert [m.name for m in dense.measures] == both[1:]  # the first is what it is judged by
    assert [m.name for m in UMAZE.measures] == ["success", "return", "length"]


def spent(folder):
    """A run whose four episodes at the end took 0, 1, 2 and 3 N."""
    workdir(folder, {0: (0, 1, 2)}, **CHOICES)
    path = folder / "evaluations.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(line | {"effort": line["episode"]}) + "\n" for line in lines))
    return folder


def test_a_new_measure_is_in_the_summary(tmp_path, with_effort):
    config = configs.arm("sac", UMAZE.name)
    config.evaluation_episodes = 4
    config = configs.parse(config)
    found = summary.summarise(spent(tmp_path / "run"), config, [0])
    assert found["final_mean_effort"] == found["offline_mean_effort"] == [1.5]
    assert "final_mean_effort: [1.5]" in summary.lines(found)


def test_a_new_measure_is_in_tables_and_pages(tmp_path, with_effort):
    run = spent(tmp_path / "sweep" / "run")
    (arms,) = comparison.by_task([comparison.finished(run)]).values()
    head, _, row = re.findall(r"(?m)^\|.*", tables.section("x", arms, "rankq"))
    cells = dict(zip(head.split(" | "), row.split(" | "), strict=True))
    assert cells["final effort (N)"] == "1.50 (1.50)"
    page = report.write(tmp_path / "page", [run]).read_text()
    assert "<th>final effort</th>" in page and "<td>1.50 N</td>" in page
    sweep = dict(sweep_page.sections(sweeps.read([tmp_path / "sweep"])))
    assert "<th>final effort (N)</th>" in sweep["pointmaze-umaze: final results"]
    assert "<td>1.50</td>" in sweep["pointmaze-umaze: final results"]


def test_returns_are_in_the_table_and_its_legend(tmp_path):
    folder = workdir(tmp_path / "run", {0: (0, 1, 2)}, **CHOICES)
    text = tables.document([comparison.finished(folder)], "make it", "rankq", [], "a machine")
    assert "| final return | final length (steps) |" in text
    assert "- *final return*: the return (raw reward) of a final episode" in text
    assert "| -30.0 (-30.0) | 30 (30) |" in text  # two episodes of 10 steps and two of 50


def evaluated(task, episodes):
    """The event of an evaluation of one seed."""
    metrics = {m.name: np.array([[m.of(task, e) for e in episodes]]) for m in task.measures}
    start = np.zeros((1, len(episodes), 4))
    progress = loop.Progress(*[0] * len(loop.Progress._fields))
    state = SimpleNamespace(progress=progress)
    evaluation = Evaluation(metrics, start, start[..., :2], list(episodes))
    return loop.Evaluated(phase=POINTS[0][0], state=state, evaluation=evaluation, last=False)


def test_a_new_measure_is_recorded_and_low_ones_can_be_the_best(tmp_path, monkeypatch):
    monkeypatch.setattr(task_module, "MEASURES", (EFFORT, *tasks.MEASURES))
    config, scores = configs.get_config(UMAZE.name, "sac"), []
    config.seeds = 1
    marks = SimpleNamespace(wants=lambda score: scores.append(score) or True)
    checkpoints = SimpleNamespace(marks=marks, close=lambda: None)
    with Stopwatch() as stopwatch:
        records = Records(tmp_path, configs.parse(config), checkpoints, stopwatch, None)
        records.write(evaluated(UMAZE, [episode([1.0], [[2.0, -1.0]]), episode([1.0], [[0.5, 0.5]])]))
        assert records.checkpoint_due() and scores == [-2.0]  # the mean of 3 and 1, and less is better
        records.close()
    lines = [json.loads(line) for line in (tmp_path / "evaluations.jsonl").read_text().splitlines()]
    assert [line["effort"] for line in lines] == [3.0, 1.0]
    (events,) = (tmp_path / "tensorboard" / "seed0").glob("events*")
    assert b"evaluation/mean_effort" in events.read_bytes()
