"""The values of the tabletop, as a configuration of each algorithm and task has them."""

import dataclasses

import jax
import pytest

from rankq_jax import configs, tasks
from rankq_jax.agents import AGENTS
from rankq_jax.configs import domains, layers
from rankq_jax.configs.fields import nested
from rankq_jax.envs.tabletop import scene, variants
from rankq_jax.tasks import tabletop
from rankq_jax.training import agents, build

NAMES = [name for name in tasks.NAMES if name.startswith("widowx-")]


def of(task, algorithm):
    """The configuration of an algorithm on a task, without an arm of its own."""
    return configs.parse(nested(layers.merged(layers.layers_of(task, algorithm))))


@pytest.mark.parametrize("task", ["widowx-cube-stacking", "widowx-cube-stacking-state"])
@pytest.mark.parametrize("algorithm", sorted(AGENTS))
def test_every_algorithm_has_values_that_it_accepts(task, algorithm):
    assert algorithm in domains.DOMAINS["tabletop"].ALGORITHMS
    config = of(task, algorithm)  # a field that does not exist fails
    agents.agent_of(config, algorithm, agents.networks_of(config, tasks.find(task).spec), {})
    # Choi et al. (arXiv 2603.18532): gamma of a chunk; RankQ, table C.1: the buffer.
    assert (config.discount, config.reward_scale, config.reward_bias) == (0.99, 1.0, 0.0)
    assert config.replay_capacity == 500_000


def test_endings_say_what_differs():
    def words(ending):
        return tasks.find(f"widowx-cube-stacking{ending}").spec.words[0]

    assert "uint8[48,64,3]" in words("") and "uint8[96,128,3]" in words("-large")
    assert tuple(scene.SETTINGS) == variants.NAMES
    for ending, same in (("-large", ""), ("-source-large", "-source"), ("-grid-large", "-grid")):
        there = dataclasses.replace(tabletop.options_of("cube-stacking", same), image=(96, 128))
        assert tabletop.options_of("cube-stacking", ending) == there
    assert tabletop.options_of("spoon-in-bowl", "-simpler").rule == "simpler"
    assert "widowx-cube-stacking-state-large" not in NAMES  # which has no image


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_of_images_sees_them_where_they_are(name):
    config = configs.parse(configs.arm("flow_bc", name))
    sees = not name.endswith("-state")
    seeing = "vla-s" if name.endswith("-large") else "vla-xs"
    assert config.networks == (seeing if sees else "vla-state")
    assert (config.image_shift, config.color_jitter) == (0, 0.0)  # a pixel of 48 x 64 is 6 mm
    assert config.online.env_steps == 0 and config.offline.updates > 0
    directions = 2 if name.startswith("widowx-cube-stacking-source") else 1
    assert (
        config.dataset_steps == 2_000 * 21 * directions
    )  # 1,000 demonstrations for each thing that is moved


@pytest.mark.parametrize(
    ("task", "readout", "width"), [("cube-stacking", "mean", 64), ("cube-stacking-state", "flat", 128)]
)
def test_a_readout_of_the_configuration_is_that_of_the_networks(task, readout, width):
    config = configs.arm("flow_bc", f"widowx-{task}")
    config.readout = readout
    state = build.experiment(configs.parse(config)).state
    sizes = {leaf.shape for leaf in jax.tree.leaves(state.actor.params["auxiliary"])}
    assert sizes == {(width, 35), (35,)}  # a chunk, and the arm's next state


def test_smoke_is_short_and_keeps_what_sees_the_images():
    config = configs.parse(configs.arm("flow_bc", "widowx-cube-stacking,smoke"))
    assert (config.networks, config.offline.updates, config.batch_size) == ("vla-xs", 40, 32)
    assert config.actor_warmup <= 10 and config.online.env_steps == 0
