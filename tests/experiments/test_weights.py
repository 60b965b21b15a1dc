"""Flow policies act with other arguments, and become files that others begin with."""

import jax
import numpy as np
import pytest

from rankq_jax import configs
from rankq_jax.cli import main
from rankq_jax.configs.changes import arguments_in
from rankq_jax.errors import InputError
from rankq_jax.exporting import greedy_of
from rankq_jax.training import acting, train
from rankq_jax.training.restore import restore

# ml_collections loads files in a way that Python 3.12 has no more.
pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")

TASK = "pointmaze-umaze"
SEEN = np.random.default_rng(0).uniform(-1, 1, (5, 4)).astype(np.float32)


def config_of(**changes):
    config = configs.arm("flow_bc", f"{TASK},smoke")
    tiny = {"offline.updates": 20, "offline.updates_per_dispatch": 20, "evaluation_episodes": 2, "seeds": 2,
            "actor_hidden": (8,), "flow_bc.steps": 3, "dataset_steps": 1_000,
            "normalize_observations": True}  # fmt: skip
    config.update_from_flattened_dict(tiny | {f.replace("__", "."): v for f, v in changes.items()})
    return configs.parse(config)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run of a flow policy with two seeds."""
    folder = tmp_path_factory.mktemp("flow") / "run"
    train.train(config_of(), folder)
    return folder


def greedy(restored, index=0):
    return greedy_of(restored.agent, restored.params, len(restored.built.seeds), index)(SEEN)


def test_a_policy_acts_in_other_steps(run):
    """One step from zero noise ends at the velocity there."""
    restored = restore(run)
    one = acting.with_arguments(restored, {"flow_bc.steps": "1"})
    flow = restored.built.networks.policy.flow
    params = jax.tree.map(lambda leaf: leaf[0], restored.params)
    inner, seen = params.inner, params.seen(SEEN)
    zeros = np.zeros((5, 2), np.float32)
    velocity = flow.velocity(inner, zeros, zeros[:, 0], flow.encode(inner, seen), None)
    np.testing.assert_allclose(greedy(one), np.clip(velocity, -1, 1), atol=1e-6)
    assert np.abs(greedy(one) - greedy(restored)).max() > 1e-6
    assert one.config.sections["flow_bc"]["steps"] == 1
    same = acting.with_arguments(restored, {"flow_bc.steps": "3"})
    assert same.config == restored.config


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("flow_bc.average_rate", "0.5", "does not change how the policy acts; leave it out"),
        ("flow_bc.steps", "0", "config.flow_bc.steps=0"),
        ("flow_bc.step", "1", "unknown configuration field config.flow_bc.step"),
        ("sac.target_rate", "0.1", "the policy is of flow_bc; give config.flow_bc.ARGUMENT"),
        ("online.arguments.steps", "1", "is of the online phase; give config.flow_bc.ARGUMENT"),
    ],
)
def test_arguments_that_change_nothing_are_refused(run, field, value, error):
    with pytest.raises(InputError, match=error) as found:
        acting.with_arguments(restore(run), {field: value})
    assert "\n" not in str(found.value)


def test_words_that_are_no_arguments_of_an_algorithm():
    assert arguments_in(["--config.flow_bc.steps=1"]) == {"flow_bc.steps": "1"}
    for word, error in {
        "--config.seeds=2": "config.seeds: evaluation reads",
        "--config.a": "no value",
    }.items():
        with pytest.raises(InputError, match=error):
            arguments_in([word])


def test_the_command_evaluates_in_other_steps(run, capsys):
    words = ["evaluate", f"--workdir={run}", "--episodes=2"]
    assert main.execute([*words, "--config.flow_bc.steps=1"]) == 0
    assert "seed 1: success rate" in capsys.readouterr().out
