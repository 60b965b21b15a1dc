"""A phase that collects episodes before all updates."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rankq_jax import configs
from rankq_jax.analysis import results
from rankq_jax.analysis.arms import Arm, collected, member
from rankq_jax.configs.run_config import learning_phase, phases_of
from rankq_jax.data import buffer as ring
from rankq_jax.data.mixture import Sources
from rankq_jax.errors import InputError
from rankq_jax.loop import Stage
from rankq_jax.training import build, continuing, datasets, memory, train, workdir
from rankq_jax.training.report import _overview
from tests.conftest import make_batch
from tests.faults.comparison import compare, leaves

# Episodes of at most 20 steps in two environments: rounds of 80 steps end at least four of them.
VALUES = {
    "horizon": 20, "train_envs": 2, "dataset_steps": 0, "seeds": 2, "actor_hidden": (8,),
    "critic_hidden": (8,), "batch_size": 8, "evaluation_episodes": 2, "checkpoint_minutes": 1e-6,
    "keep_checkpoints": 99, "replay_capacity": 1_000,
    "collect.env_steps": 160, "collect.env_steps_per_iteration": 80,
    "offline.updates": 8, "offline.updates_per_iteration": 4, "offline.updates_per_dispatch": 4,
    "online.env_steps": 80, "online.env_steps_per_iteration": 80, "online.updates_per_step": 0.05,
    "online.updates_per_dispatch": 4, "online.mixing_ratio": -1.0,
}  # fmt: skip


def config_of(arm="bc", **changes):
    config = configs.arm(arm, "pointmaze-umaze")
    config.update_from_flattened_dict(VALUES | {f.replace("__", "."): value for f, value in changes.items()})
    return configs.parse(config)


@pytest.fixture(scope="module")
def own_run(tmp_path_factory):
    """A finished run, in whose place of a dataset lies what spoils every batch that has a row of it."""
    folder = tmp_path_factory.mktemp("collecting") / "run"
    load = datasets.load

    def spoiled(config, task):
        name, rows, about = load(config, task)
        assert (name, about, len(rows.reward)) == ("", None, 1)
        return name, jax.tree.map(lambda leaf: np.full_like(leaf, np.nan), rows), about

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "load", spoiled)
        train.train(config_of(), folder)
        yield folder


def lines(folder, name):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def test_nothing_is_updated_while_it_collects_and_only_that_is_learned_from(own_run):
    places = [(r["phase"], r["updates"], r["env_steps"]) for r in lines(own_run, "metrics.jsonl")]
    # For each of two seeds. A row of the dataset would have made a number of them NaN, which ends a run.
    assert places == [(*place, steps) for *place, steps in (
        ("offline", 4, 160), ("offline", 4, 160), ("offline", 8, 160), ("offline", 8, 160),
        ("online", 12, 240), ("online", 12, 240),
    )]  # fmt: skip
    checkpoints = sorted((own_run / "checkpoints").glob("[0-9]*"), key=lambda path: int(path.name))
    first, second = (leaves(path) for path in checkpoints[:2])
    assert [int(c["progress['env_steps']"]) for c in (first, second)] == [80, 160]
    assert (first["inserted"] > 0).all() and (second["inserted"] > first["inserted"]).all()
    assert (second["inserted"] <= 160).all()  # whole episodes only
    for name in (name for name in first if name.startswith("agent")):
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def test_the_policy_is_evaluated_before_it_learns(own_run):
    found = dict.fromkeys(
        (r["phase"], r["updates"], r["env_steps"]) for r in lines(own_run, "evaluations.jsonl")
    )
    assert list(found) == [("collect", 0, 160), ("offline", 8, 160), ("online", 12, 240)]
    summary = json.loads((own_run / "summary.json").read_text())
    assert summary["env_steps"] == 240 and summary["updates"] == 12 and summary["dataset"] == ""
    assert len(summary["initial_success_rate"]) == len(summary["offline_success_rate"]) == 2


def test_the_page_tells_of_the_first_policy_and_draws_it_left_of_the_updates(own_run):
    arm = Arm("bc", [member(results.read(own_run))])
    assert collected(arm.run) == 160
    assert list(arm.curve("success").position) == [-8, 0, 80]  # online steps are counted from 0
    assert "initial success" in _overview([arm]) and "initial before all updates" in _overview([arm])
    want = [np.mean([r["length"] for r in lines(own_run, "evaluations.jsonl")
                     if (r["phase"], r["seed"]) == ("collect", seed)]) for seed in (0, 1)]  # fmt: skip
    length = next(measure for measure in arm.measures if measure.name == "length")
    np.testing.assert_allclose(arm.result("initial", length), want)


@pytest.mark.parametrize(("kept", "place"), [(1, (0, 1, Stage.COLLECT)), (3, (1, 0, Stage.EVALUATE))])
def test_a_run_that_was_killed_goes_on_exactly(own_run, tmp_path, kept, place):
    """Inside the phase that collects, and after the first updates behind it."""
    folder = tmp_path / "run"
    shutil.copytree(own_run, folder)
    (folder / "summary.json").unlink()
    shutil.rmtree(folder / "report")
    checkpoints = sorted((folder / "checkpoints").glob("[0-9]*"), key=lambda path: int(path.name))
    for path in checkpoints[kept:]:
        shutil.rmtree(path)
    progress = continuing.place(folder)
    assert (progress.phase, progress.iteration, progress.stage) == place
    train.train(config_of(), folder)
    assert compare(own_run, folder).mismatches == []


def both(draw, batch=400):
    """The share of rows of the dataset in a batch, beside as many of the buffer."""
    rows = make_batch(rows=30)
    buffer = ring.add(ring.init(rows, 100), rows, jnp.int32(30))
    sources = Sources(rows, buffer, jnp.float32(-1.0), {})
    return float(np.mean(draw.pick(sources, jax.random.key(0)).offline))


def test_a_dataset_beside_it_is_drawn_as_one_buffer_with_what_was_collected():
    without = build.experiment(config_of()).plan
    assert [phase.name for phase in without] == ["collect", "offline", "online"]
    assert [phase.mixing_ratio(1_000) for phase in without[1:]] == [0.0, 0.0]
    assert without[0].updates == without[0].updates_per_step == 0 and without[0].collect == 40
    beside = build.experiment(config_of(dataset_steps=500, batch_size=400)).plan
    assert [phase.mixing_ratio(1_000) for phase in beside[1:]] == [-1.0, -1.0]
    assert 0.4 < both(beside[1].draw) < 0.6
    alone = build.experiment(config_of(dataset_steps=500, collect__env_steps=0)).plan
    assert [phase.name for phase in alone] == ["offline", "online"]
    assert alone[0].mixing_ratio(0) == 1.0
    annealed = config_of(dataset_steps=500, online__mixing_ratio=1.0, online__mixing_ratio_final=0.0,
                         online__mixing_anneal=80)  # fmt: skip
    moving = build.experiment(annealed).plan[2].mixing_ratio
    assert [float(moving(steps)) for steps in (160, 200, 240)] == [1.0, 0.5, 0.0]


def test_what_is_collected_has_room():
    config = config_of()
    assert build.capacity(config) == 240
    assert build.capacity(config_of(replay_capacity=200)) == 200
    parts = {part.what: part for part in memory.learning(config, build.experiment(config))}
    assert "collect.env_steps" in parts["replay buffers"].fields


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"collect__env_steps": 38, "collect__env_steps_per_iteration": 2}, "ends before an episode of 20"),
        (
            {"collect__env_steps_per_iteration": 81},
            "env_steps_per_iteration=81 is no multiple of .*train_envs",
        ),
        ({"collect__env_steps": 120}, "collect.env_steps=120 is no multiple"),
        ({"collect__env_steps": 0}, "config.dataset_steps=0 must be at least 1, .* or collect first"),
        ({"offline__updates": 0, "online__env_steps": 0}, "nothing to do"),
        ({"online__mixing_ratio": 0.5}, "online.mixing_ratio=0.5: needs a dataset"),
        ({"normalize_observations": True}, "normalize_observations=True: needs a dataset"),
        ({"keep_best": 0.5}, "keep_best=0.5: needs a dataset"),
        ({"dataset_storage": "disk"}, "dataset_storage=disk: needs a dataset"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(changes, message):
    with pytest.raises(InputError, match=message) as caught:
        build.experiment(config_of(**changes))
    assert "\n" not in str(caught.value)


def test_a_balanced_weight_needs_a_dataset():
    with pytest.raises(InputError, match="success_weight=balanced: needs a dataset"):
        config_of("rankq", success_weight="balanced")


def test_a_phase_that_only_collects_acts_as_the_next_one():
    config = config_of("rebrac", offline__updates=0, dataset_steps=500)
    assert phases_of(config) == {"collect": "rebrac", "online": "rebrac"}
    assert learning_phase(config, "collect") == learning_phase(config, "online") == "online"
    assert learning_phase(config_of(online__algorithm="iql"), "collect") == "offline"
    assert phases_of(config_of("rankq_sac")) == {"collect": "rankq", "offline": "rankq", "online": "sac"}


def test_it_can_be_made_longer_until_the_updates_begin():
    old = config_of()

    def why(new, phase, iteration):
        progress = continuing.Progress(phase=phase, iteration=iteration)
        change = continuing.Change(old, new, continuing.stretches(old), continuing.stretches(new), progress)
        return continuing.reasons(change, workdir.changed(old, new))

    longer = config_of(collect__env_steps=240)
    assert why(longer, 0, 1) == why(longer, 0, 2) == {}
    assert "'offline' has begun" in why(longer, 1, 1)["collect.env_steps"]
    assert (
        "2 iterations of 80 have been begun"
        in why(config_of(collect__env_steps=80), 0, 2)["collect.env_steps"]
    )
    assert why(config_of(offline__updates=16, online__env_steps=160), 0, 2) == {}
