"""Questions to an expert in a configured run."""

import json
import shutil

import jax
import numpy as np
import pytest

from rankq_jax import configs
from rankq_jax.checkpoints import Checkpoints
from rankq_jax.errors import InputError
from rankq_jax.training import build, preferences, restore, train
from rankq_jax.writers import read_lines


def configured(expert, module="oap_td3_bc", **changes):
    config = configs.arm(module, "pointmaze-umaze,smoke")
    config.preferences.expert = str(expert)
    config.update_from_flattened_dict(changes)
    return config


def with_labeler(draft):
    config = configs.parse(draft)
    return preferences.with_labeler(config, build.experiment(config))


def test_the_rounds_and_questions_of_algorithm_1(expert):
    changes = {"offline.updates": 200, "preferences.query_limit": 500, "preferences.query_interval": 40}
    built = with_labeler(configured(expert, **changes))
    # 200 updates in rounds of 20; asked after every second round except the last
    assert tuple(built.plan[0].relabeler.iterations) == (2, 4, 6, 8)
    once = with_labeler(configured(expert, **changes, **{"preferences.all_at_once": 100}))
    assert tuple(once.plan[0].relabeler.iterations) == (5,)


def test_an_agent_that_asks_nobody_has_no_labeler():
    built = with_labeler(configs.arm("rankq", "pointmaze-umaze,smoke"))
    assert all(phase.relabeler is None for phase in built.plan)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preferences.expert": ""}, "config.preferences.expert: oap_td3_bc asks an expert"),
        ({"preferences.expert": "/nowhere"}, "holds no config.json"),
        (
            {"preferences.query_interval": 30},
            "query_interval=30 is no multiple of .*updates_per_iteration=20",
        ),
        (
            {"preferences.all_at_once": 30},
            "all_at_once=30 is no multiple of .*updates_per_iteration=20",
        ),
        ({"preferences.all_at_once": 40}, "all_at_once=40 comes after the last of the 40 updates"),
        ({"preferences.query_limit": 1}, "leaves no question for a round"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(expert, changes, message):
    config = configured(expert)
    config.update_from_flattened_dict(changes)
    with pytest.raises(InputError, match=message):
        with_labeler(config)


def test_an_expert_of_another_task_or_without_a_critic_is_refused(expert, tmp_path):
    config = configured(expert)
    about = json.loads((expert / "config.json").read_text())
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("checkpoints", "summary.json"):
        (elsewhere / name).symlink_to(expert / name)
    about["config"]["task"] = "pointmaze-medium"
    (elsewhere / "config.json").write_text(json.dumps(about))
    config.preferences.expert = str(elsewhere)
    with pytest.raises(InputError, match="was trained on pointmaze-medium, not on pointmaze-umaze"):
        with_labeler(config)
    cloned = configs.arm("bc", "pointmaze-umaze,smoke")
    train.train(configs.parse(cloned), tmp_path / "cloned")
    config.preferences.expert = str(tmp_path / "cloned")
    with pytest.raises(InputError, match="has no critic"):
        with_labeler(config)


@pytest.mark.parametrize("module", ["oap_td3_bc", "oap_iql"])
def test_a_run_that_is_interrupted_between_questions_ends_the_same(module, expert, tmp_path, monkeypatch):
    config = configured(expert, module)
    config.offline.update(dict(updates=80, checkpoint_every=1))
    straight = train.train(configs.parse(config), tmp_path / "straight")

    class Stop(Exception):
        pass

    write = Checkpoints.write
    saved = []

    def stop_after_the_second(self, *arguments, **named):
        write(self, *arguments, **named)
        self.wait()
        saved.append(1)
        if len(saved) == 2:
            raise Stop

    monkeypatch.setattr(Checkpoints, "write", stop_after_the_second)
    with pytest.raises(Stop):
        train.train(configs.parse(config), tmp_path / "resumed")
    monkeypatch.setattr(Checkpoints, "write", write)
    resumed = train.train(configs.parse(config), tmp_path / "resumed")
    assert resumed["final_success_rate"] == straight["final_success_rate"]
    kept = [read_lines(tmp_path / name / "metrics.jsonl") for name in ("straight", "resumed")]
    for one, other in zip(*kept, strict=True):
        assert {k: v for k, v in one.items() if k != "seconds"} == {
            k: v for k, v in other.items() if k != "seconds"
        }
    assert [m["preferences/queries"] for m in kept[0] if "preferences/queries" in m] == [50.0, 100.0, 150.0]
    ends = [restore.restore(tmp_path / name).params for name in ("straight", "resumed")]
    for left, right in zip(*(map(np.asarray, jax.tree.leaves(end)) for end in ends), strict=True):
        np.testing.assert_array_equal(left, right)


def test_an_unfinished_run_is_no_expert(expert, tmp_path):
    shutil.copytree(expert, tmp_path / "run")
    (tmp_path / "run" / "summary.json").unlink()
    with pytest.raises(InputError, match="the run is not finished"):
        with_labeler(configured(tmp_path / "run"))
