"""A run goes on with whatever of a changed configuration it can, and refuses the rest by field and reason."""

import json
import shutil

import numpy as np
import pytest

from rankq_jax.errors import InputError
from rankq_jax.training import continuing, train, workdir
from tests.experiments.going_on import ENDS, config_of
from tests.faults.comparison import leaves, newest
from tests.faults.conftest import contents

EXTRA = [(28, 500)] * 2  # updates and environment steps, for two episodes

OTHER = {
    "task": "pointmaze-medium", "seed": 1, "seeds": 2, "algorithm": "iql", "actor_hidden": (16, 16),
    "critic_hidden": (32, 32, 32), "critics": 3, "critic_layer_norm": "after", "networks": "iql",
    "normalize_observations": True, "max_gradient_norm": 0.0, "train_envs": 4, "parallel": "batch",
}  # fmt: skip


@pytest.mark.parametrize("field", OTHER)
@pytest.mark.parametrize("place", ["first", "end"])
def test_what_has_other_shapes_is_refused_by_its_field(run_at, field, place):
    folder = run_at(ENDS[place], summary=place == "end")
    before = contents(folder)
    with pytest.raises(
        InputError, match=rf"config.json: .*field '{field}' is .* there and .* here \("
    ) as caught:
        train.train(config_of(**{field: OTHER[field]}), folder, accept=True)
    message = str(caught.value)
    assert "--accept_changes" not in message and "delete" not in message and "\n" not in message
    assert message.endswith("choose another --workdir.")
    assert contents(folder) == before


# The field, another value, and whether a run goes on with it at the end of the first round, at the end of the
# offline phase, at the end of the first round online, and when it is finished.
CHANGES = [
    ("offline.updates", 40, "ggnn"),
    ("offline.updates", 10, "gnnn"),
    ("offline.updates", 0, "nnnn"),
    ("offline.updates_per_iteration", 5, "nnnn"),
    ("offline.evaluate_every", 2, "gnnn"),
    ("offline.updates_per_dispatch", 10, "gnnn"),
    ("offline.algorithm", "cql", "nnnn"),
    ("online.env_steps", 2_000, "gggg"),
    ("online.env_steps", 1_000, "gggn"),
    ("online.env_steps", 500, "gggn"),
    ("online.env_steps", 0, "ggnn"),
    ("online.env_steps_per_iteration", 250, "ggnn"),
    ("online.evaluate_every", 1, "gggn"),
    ("online.updates_per_step", 0.04, "gggn"),
    ("online.mixing_ratio", 0.25, "gggn"),
    ("online.overlap", True, "gggn"),
    ("evaluation_episodes", 3, "gnnn"),
    ("discount", 0.9, "gggn"),
    ("rankq.sigma", 0.3, "gggn"),
    ("actor_learning_rate", 1e-3, "gggn"),
    ("batch_size", 16, "gggn"),
    ("dataset_seed", 1, "gggn"),
    ("replay_capacity", 4_000, "gggn"),
    ("name", "mine", "gggg"),
    ("threads", 1, "gggg"),
    ("init_from", "elsewhere", "nnnn"),
    ("horizon", 100, "nnnn"),
    ("encoder_training", "shared", "nnnn"),
    ("init_parts", "policy", "nnnn"),
]


@pytest.mark.parametrize("i", range(4), ids=list(ENDS))
def test_what_is_to_come_may_change(run_at, i):
    folder = run_at(list(ENDS.values())[i], summary=i == 3)
    wrong = []
    for field, value, goes_on in CHANGES:
        refused = continuing.refused(folder, config_of(**{field: value}))
        assert refused == {} or list(refused) == [field]
        if ("n" if refused else "g") != goes_on[i]:
            wrong.append((field, value, refused))
    assert wrong == []


def test_inside_a_round(run_at):
    folder = run_at((0, 1, True))
    found = continuing.refused(folder, config_of(offline__updates_per_dispatch=10))
    assert "inside an iteration" in found.pop("offline.updates_per_dispatch") and not found
    found = continuing.refused(folder, config_of(offline__updates=10))
    assert "2 iterations of 10" in found["offline.updates"]
    assert continuing.refused(folder, config_of(offline__updates=40, discount=0.9)) == {}


def lines(folder, name):
    records = [json.loads(line) for line in (folder / name).read_text().splitlines()]
    return [{k: v for k, v in record.items() if k != "seconds"} for record in records]


def test_a_run_that_is_made_longer_ends_as_one_that_was_as_long_from_the_start(finished_run, tmp_path):
    """Its last phase, and another one after it; with a summary, and without one."""
    folder, last = tmp_path / "run", config_of()
    train.train(config_of(offline__updates=10, online__env_steps=0), folder)
    with pytest.raises(InputError, match=r"'offline.updates' is 10 there and 20 here; .*--accept_changes"):
        train.train(config_of(online__env_steps=500), folder)
    assert (folder / "summary.json").exists()
    train.train(config_of(online__env_steps=500), folder, accept=True)
    (folder / "summary.json").unlink()
    train.train(last, folder, accept=True)
    ours, theirs = leaves(newest(folder)), leaves(newest(finished_run))
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        np.testing.assert_array_equal(ours[name], value, err_msg=name)
    assert lines(folder, "metrics.jsonl") == lines(finished_run, "metrics.jsonl")
    # An evaluation at each of its ends: those of the straight run, and at the end of the first round online.
    evaluated, expected = lines(folder, "evaluations.jsonl"), lines(finished_run, "evaluations.jsonl")
    assert [e for e in evaluated if e in expected] == expected
    assert [(e["updates"], e["env_steps"]) for e in evaluated if e not in expected] == EXTRA
    one, other = (json.loads((f / "summary.json").read_text()) for f in (folder, finished_run))
    assert {**one, "wall_seconds": 0} == {**other, "wall_seconds": 0}
    assert json.loads((folder / "config.json").read_text())["config"] == json.loads(
        (finished_run / "config.json").read_text()
    )["config"] | {"checkpoint_minutes": 5.0}


def test_what_depends_on_the_length_is_not_made_longer(run_at):
    def why(old, new, phase, round_):
        progress = continuing.Progress(phase=phase, iteration=round_)
        change = continuing.Change(old, new, continuing.stretches(old), continuing.stretches(new), progress)
        return continuing.reasons(change, workdir.changed(old, new))

    old, new = (config_of(actor_cosine_decay=True, online__env_steps=0, offline__updates=n) for n in (20, 40))
    assert "learning rate" in why(old, new, 0, 1)["offline.updates"]
    assert "learning rate" in why(old, config_of(actor_cosine_decay=True), 0, 1)["online.env_steps"]
    assert why(old, new, 0, 0) == {}
    old, new = config_of("rebrac"), config_of("rebrac", online__env_steps=2_000)
    found = why(old, new, 1, 3)
    assert list(found) == ["online.arguments.decay_updates"] and "=30.0 keeps it" in str(found)
    assert why(old, new, 0, 2) == {}
    old, new = (config_of(algorithm="oap_iql", offline__updates=n) for n in (20, 40))
    assert "questions to the expert" in why(old, new, 0, 1)["offline.updates"]


def test_a_finished_run_without_checkpoints_is_left_as_it_is(run_at):
    folder = run_at(ENDS["end"], summary=True)
    shutil.rmtree(folder / "checkpoints")
    before = contents(folder)
    with pytest.raises(InputError, match="is finished and has no checkpoint"):
        train.train(config_of(online__env_steps=2_000), folder, accept=True)
    assert contents(folder) == before


def test_a_summary_that_is_too_short_is_not_the_end(run_at, finished_run):
    """As older versions have left them, whose configuration was changed after the end."""
    assert train.finished(config_of(), finished_run, False)
    folder = run_at(ENDS["end"], summary=True)
    about = json.loads((folder / "config.json").read_text())
    about["config"]["online"]["env_steps"] = 2_000
    (folder / "config.json").write_text(json.dumps(about))
    assert not train.finished(config_of(online__env_steps=2_000), folder, False)
