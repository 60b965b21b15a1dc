"""A task of one action and no success, from training to the table: its results are returns."""

import itertools
import json
import re
import shutil

import mujoco
import numpy as np
import pytest
from markdown_it import MarkdownIt

from rankq_jax import configs, tasks
from rankq_jax.analysis import comparison, results, tables
from rankq_jax.cli.convert_dataset import convert
from rankq_jax.data.prepare import RewardTransform
from rankq_jax.envs.batch import Outcome, Simulation, batch_env
from rankq_jax.errors import InputError
from rankq_jax.tasks import Task
from rankq_jax.training import report, summary, train, weights
from rankq_jax.training.restore import restore

SLIDER = """<mujoco><option timestep="0.05"/><worldbody><body>
  <joint name="x" type="slide" axis="1 0 0" damping="1"/><geom size="0.1" mass="1"/>
</body></worldbody><actuator><motor joint="x"/></actuator></mujoco>"""


def simulate():
    """A mass that is paid for lying at 0; it sees where it lies, and nothing else."""

    def judge(before, action, after, seen):
        nothing = np.zeros(len(seen), bool)
        return Outcome(-np.abs(seen[:, 0]), nothing, nothing)

    def reset(random):
        return random.uniform(-1, 1, 1), np.zeros(1), np.zeros(1)

    model = mujoco.MjModel.from_xml_string(SLIDER)
    return Simulation(model, 1, 20, reset, lambda view: np.array(view.qpos), judge)


@pytest.fixture(scope="module")
def slider():
    """The task in the registry, one observation and one action."""
    transform = RewardTransform(scale=1.0, bias=0.0, failure=None)
    task = Task("slider", "experts", lambda rows, threads: batch_env(simulate(), rows, threads), transform,
                None, (0.0, 0.0))  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(tasks.TASKS, task.name, task)
        yield task


@pytest.fixture(scope="module")
def finished(slider, tmp_path_factory):
    """A run of one seed, with a name that is no picture text."""
    config = configs.get_config("slider,smoke", "sac")
    config.name = r"$\frac{a|b"
    config.evaluation_episodes = 2
    config.online.update(dict(env_steps=120, env_steps_per_iteration=40, updates_per_step=0.1, warmup=0))
    folder = tmp_path_factory.mktemp("slider") / "run"
    train.train(configs.parse(config), folder)
    return folder


def returns(folder):
    """Mean over the two episodes of the last evaluation, from the records."""
    records = [json.loads(line) for line in (folder / "evaluations.jsonl").read_text().splitlines()]
    return np.mean([record["return"] for record in records[-2:]])


def test_the_summary_and_the_last_lines_have_returns(finished):
    found = json.loads((finished / "summary.json").read_text())
    assert not [name for name in found if "success" in name]
    assert found["final_return"] == [returns(finished)] and found["final_return"][0] < 0
    assert found["offline_return"] == [None] and found["final_episode_length"] == [20.0]
    lines = summary.lines(found)
    assert f"final_return: [{returns(finished)}]" in lines and not [x for x in lines if "success" in x]


def test_events_and_the_best_checkpoint_go_by_the_return(finished):
    (events,) = (finished / "tensorboard" / "seed0").glob("events*")
    assert b"evaluation/return" in events.read_bytes()
    assert b"evaluation/success_rate" not in events.read_bytes()
    records = [json.loads(line) for line in (finished / "evaluations.jsonl").read_text().splitlines()]
    means = {}
    for record in records:
        means.setdefault((record["updates"], record["env_steps"]), []).append(record["return"])
    best = max(means, key=lambda place: np.mean(means[place]))
    notes = restore(finished, best=True).notes
    assert (notes["updates"], notes["env_steps"]) == best


class Cells:
    def __init__(self, text):
        rows = re.findall(r"<tr>(.*?)</tr>", text, re.DOTALL)
        self.rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]


def test_the_page_has_returns_and_says_why_there_is_no_landscape(finished, tmp_path):
    text = (finished / "report" / "index.html").read_text()
    assert "Actions have one dimension" in text and "success" not in text
    assert text.count("data:image/png") == 1
    head, row = Cells(text).rows
    cells = dict(zip(head, row, strict=True))
    assert cells["final return"] == f"{returns(finished):.1f}" and cells["offline return"] == "-"
    assert cells["algorithm"] == r"$\frac{a|b"
    sweep = report.write(tmp_path / "sweep", [finished.parent]).read_text()  # the page of a sweep, too
    assert "final return" in sweep and "success (%)" not in sweep


def test_the_table_has_returns(finished):
    text = tables.document([comparison.finished(finished)], "make it", "rankq", [], "a machine")
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    cells = [one.content for before, one in itertools.pairwise(tokens) if before.type == "td_open"]
    assert len(cells) == 7 and cells[1] == "-" and cells[2].startswith(f"{returns(finished):.1f} [")
    assert "final return |" in text


def test_the_policy_is_exported(finished):
    restored = restore(finished, exact=True)
    exported = weights.export(restored, finished)
    assert (exported.observation_size, exported.action_size) == (1, 1)
    assert exported.provenance["mean_return"] == pytest.approx(returns(finished))


def test_the_replay_of_a_run_becomes_a_dataset(finished, tmp_path):
    convert(str(finished), tmp_path / "replay.npz", None, None, None)
    with np.load(tmp_path / "replay.npz") as file:
        seen, following, ends = file["observations"][:, 0], file["next_observations"][:, 0], file["timeouts"]
        np.testing.assert_allclose(file["rewards"], -np.abs(following), rtol=1e-6)
        assert not file["terminals"].any()
    assert len(ends) == 120 and (np.flatnonzero(ends) == np.arange(19, 120, 20)).all()  # of 20 steps each
    np.testing.assert_array_equal(seen[1:][~ends[:-1]], following[:-1][~ends[:-1]])
    assert len(np.unique(seen[np.append(True, ends[:-1])])) == 6  # starts


def test_a_run_without_replay_is_no_dataset(finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    config = json.loads((folder / "config.json").read_text())
    config["config"]["reward_scaling"] = "return_range"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="reward_scaling=return_range"):
        convert(str(folder), tmp_path / "a.npz", None, None, None)
    shutil.rmtree(folder / "checkpoints")
    (folder / "checkpoints").mkdir()
    config["config"]["reward_scaling"] = "given"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="no checkpoint yet"):
        convert(str(folder), tmp_path / "a.npz", None, None, None)
    assert not (tmp_path / "a.npz").exists()


@pytest.mark.parametrize("kept", [0, 1])
def test_few_evaluations_or_none_still_make_a_page(finished, kept, tmp_path, monkeypatch):
    run = results.read(finished)
    short = run._replace(evaluations=run.evaluations[: 2 * kept])
    monkeypatch.setattr(results, "read", lambda folder: short)
    text = report.write(tmp_path / "page", [finished]).read_text()
    assert ("No evaluation has been recorded yet." in text) == (kept == 0)


def test_tasks_with_success_have_both(tmp_path):
    found = tasks.find("pointmaze-umaze").measures
    assert [measure.mean for measure in found] == ["success_rate", "return", "episode_length"]
    for task in tasks.TASKS.values():
        assert ("success" in [m.name for m in task.measures]) == (
            task.success is not None or task.domain == "tabletop"
        )
