"""Every configuration trains at `smoke`, and a field that does not exist fails."""

import importlib
import json
import re
from pathlib import Path

import jax
import numpy as np
import pytest

from experiments import build, train
from experiments.configs import base, rankq, sac
from rankq_jax.agents import AGENTS
from rankq_jax.errors import InputError
from rankq_jax.writers import read_lines

FILES = sorted(p.stem for p in Path(base.__file__).parent.glob("*.py") if p.stem not in ("__init__", "base"))
CONFIGS = {name: importlib.import_module(f"experiments.configs.{name}") for name in FILES}


def test_every_agent_has_a_configuration():
    assert {"sac", "cql", "cal_ql", "rankq"} <= set(FILES)
    assert set(AGENTS) <= {CONFIGS[name].get_config().algorithm for name in FILES}


@pytest.mark.parametrize("name", FILES)
def test_a_configuration_trains_at_smoke(name, tmp_path):
    config = CONFIGS[name].get_config("pointmaze-umaze,smoke")
    config.seeds = 2
    summary = train.train(config, tmp_path / "run")
    folder = tmp_path / "run"
    assert json.loads((folder / "summary.json").read_text()) == json.loads(json.dumps(summary))
    assert summary["algorithm"] == name and summary["seeds"] == [0, 1]
    assert summary["updates"] == 40 + int(0.02 * 1800)
    assert summary["env_steps"] == 1800
    for field in ("offline_success_rate", "final_success_rate", "final_episode_length"):
        assert len(summary[field]) == 2 and np.isfinite(summary[field]).all()
    assert {"compile", "collect", "update", "evaluate", "total"} <= set(summary["wall_seconds"])
    evaluations = read_lines(folder / "evaluations.jsonl")
    assert {r["seed"] for r in evaluations} == {0, 1}
    assert {"return", "length", "success", "start", "goal", "phase", "updates"} <= set(evaluations[0])
    metrics = read_lines(folder / "metrics.jsonl")
    assert {m["phase"] for m in metrics} == {"offline", "online"}
    assert all(np.isfinite(m["critic/td"]) for m in metrics)
    recorded = json.loads((folder / "config.json").read_text())
    assert recorded["config"]["algorithm"] == name
    assert recorded["versions"]["jax"] and recorded["git_commit"]
    assert list((folder / "tensorboard" / "seed1").glob("events*"))
    page = (folder / "report" / "index.html").read_text()
    assert page.count("data:image/png;base64,") == 3  # curves, maze, landscapes
    assert "not finished" not in page and "1800" in page  # the summary is in the table
    assert "http" not in re.sub(r"base64,[^\"]+", "", page)  # opens without a network


@pytest.mark.parametrize("task", ["pointmaze-umaze", "pointmaze-medium", "pointmaze-large"])
@pytest.mark.parametrize("name", FILES)
def test_every_task_builds(name, task):
    built = build.experiment(CONFIGS[name].get_config(task))
    assert [phase.name for phase in built.plan] == ["offline", "online"]


def test_a_phase_can_go_on_with_another_algorithm(tmp_path):
    config = rankq.get_config("pointmaze-umaze,smoke")
    config.online.algorithm = "sac"
    config.online.env_steps = 600
    train.train(config, tmp_path / "run")
    metrics = read_lines(tmp_path / "run" / "metrics.jsonl")
    ranked = {m["phase"] for m in metrics if "critic/rank/success_share" in m}
    assert ranked == {"offline"}


def test_an_argument_that_the_agent_does_not_take_fails():
    config = rankq.get_config("pointmaze-umaze")
    config.rankq.sigmma = 0.3
    with pytest.raises(TypeError, match="sigmma"):
        build.experiment(config)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"algorithm": "rnkq"}, r"unknown algorithm 'rnkq'. Did you mean 'rankq'\?"),
        ({"task": "pointmaze-umase"}, r"unknown task 'pointmaze-umase'. Did you mean 'pointmaze-umaze'\?"),
        ({"seed": -1}, "--config.seed=-1 must be at least 0"),
        ({"seed": 2**32 - 1, "seeds": 2}, "at most 4294967295"),
        ({"online.updates_per_dispatch": 0}, "updates_per_dispatch=0 must be at least 1"),
        ({"online.env_steps": -200}, "must be at least 0"),
        ({"online.mixing_ratio": 5.0}, "must be -1 or between 0 and 1"),
        ({"sac.backup_samples": 0}, "--config.sac: a backup needs at least one sample"),
        ({"critic_learning_rate": float("nan")}, "must be at least 0"),
        ({"parallel": "seed"}, r"unknown value 'seed'. Did you mean 'seeds'\?"),
        ({"parallel": "batch", "seeds": 2}, "trains one seed"),
        ({"parallel": "batch", "batch_size": 3}, "does not divide over 2 devices"),
        ({"seeds": 0}, "--config.seeds=0 must be at least 1"),
        ({"discount": 1.0}, "--config.discount=1.0"),
        ({"offline.updates": 1_500}, "--config.offline.updates=1500 is not a multiple of the 1000"),
        ({"online.env_steps_per_round": 201}, "is not a multiple of the 4"),
        ({"online.mixing_ratio": 0.0}, "must be at least 1200"),
        ({"online.mixing_ratio": -1.0, "online.mixing_anneal": 10}, "between 0 and 1"),
        ({"offline.updates": 0, "online.env_steps": 0}, "nothing to do"),
    ],
)
def test_values_that_do_not_fit(changes, message):
    config = sac.get_config("pointmaze-umaze")
    config.update_from_flattened_dict(changes)
    with pytest.raises(InputError, match=message):
        build.experiment(config)


def test_the_mixing_ratio_follows_its_schedule():
    config = sac.get_config("pointmaze-umaze")
    config.online.update(dict(mixing_ratio=0.9, mixing_ratio_final=0.1, mixing_anneal=1_000))
    ratio = build.experiment(config).plan[1].mixing_ratio
    np.testing.assert_allclose([ratio(0), ratio(500), ratio(5_000)], [0.9, 0.5, 0.1], rtol=1e-6)


def test_an_unknown_word_after_the_task():
    with pytest.raises(InputError, match=r"unknown option 'smke'.*Did you mean 'smoke'\?"):
        base.get_config("pointmaze-umaze,smke")


def test_one_seed_with_its_batch_over_two_devices_trains_from_a_configuration(tmp_path):
    config = rankq.get_config("pointmaze-umaze,smoke")
    config.parallel, config.offline.updates, config.online.env_steps = "batch", 20, 0
    assert build.experiment(config).layout.devices == 2
    summary = train.train(config, tmp_path / "run")
    assert summary["updates"] == 20


def test_rates_and_clipping_reach_their_networks():
    """One step of Adam moves every weight by its rate, clipped or not; clipping comes before it."""
    config = sac.get_config("pointmaze-umaze")
    config.update_from_flattened_dict({"actor_learning_rate": 0.5, "critic_learning_rate": 0.25})
    optimisers = build.parts_of(config, 2).optimisers
    gradient = {"w": np.array([30.0, -40.0], np.float32)}
    for optimiser, rate in (
        (optimisers.actor, 0.5),
        (optimisers.critic, 0.25),
        (optimisers.duals["temperature"], 0.5),
        (optimisers.duals["cql_weight"], 0.25),
    ):
        updates, state = optimiser.update(gradient, optimiser.init(gradient))
        np.testing.assert_allclose(updates["w"], [-rate, rate], rtol=1e-5)
        first_moments = [leaf for leaf in jax.tree.leaves(state) if np.shape(leaf) == (2,)]
        clipped = optimiser in (optimisers.actor, optimisers.critic)
        # a tenth of the gradient, which clipping brought from norm 50 to norm 1
        expected = np.array([0.06, -0.08]) if clipped else np.array([3.0, -4.0])
        np.testing.assert_allclose(first_moments[0], expected, rtol=1e-5)
