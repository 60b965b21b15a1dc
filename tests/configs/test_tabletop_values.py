"""The values of the tabletop, as a configuration of each algorithm and task has them."""

import dataclasses

import jax
import pytest

from rankq_jax import configs, tasks
from rankq_jax.agents import AGENTS
from rankq_jax.configs import domains, layers
from rankq_jax.configs.fields import nested
from rankq_jax.configs.run_config import algorithms_of, phases_of
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
    # Gamma of a chunk: Choi et al. (arXiv 2603.18532), ours where a flow policy is tuned. The buffer: RankQ,
    # table C.1.
    discount = 0.95 if algorithm in ("sac", "cql", "cal_ql", "rankq") else 0.99
    assert (config.discount, config.reward_scale, config.reward_bias) == (discount, 1.0, 0.0)
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


FLOW_ARMS = ("rankq", "rankq_sac", "cql", "cql_sac", "cal_ql", "cal_ql_sac", "sac_off", "rankq_no_chain")
# By hand: 200 and 800 rollouts of 25 chunks, 8 between 40 updates; tables C.1 to C.3 of RankQ; rates and the
# batch are ours.
LITTLE = {
    "dataset_steps": 0, "flow_noise": True, "flow_steps": 1, "networks": "vla-xs",
    "encoder_training": "cached", "critic_actions": "relative",
    "init_from": "pretrained:vla-xs-carrot-on-plate", "batch_size": 128, "actor_learning_rate": 2e-6,
    "critic_learning_rate": 3e-4, "max_gradient_norm": 0.5, "critics": 2, "critic_hidden": (256, 256, 256),
    "replay_capacity": 500_000, "train_envs": 8, "collect.env_steps": 5_000, "offline.updates": 1_000,
    "online.env_steps": 20_000, "online.env_steps_per_iteration": 200, "online.updates_per_step": 0.2,
    "online.mixing_ratio": -1.0, "discount": 0.95, "diagnostics_every": 200,
}  # fmt: skip
PAPER = {
    **LITTLE, "critic_actions": "absolute", "discount": 0.99, "batch_size": 960,
    "actor_learning_rate": 2e-5, "critic_learning_rate": 1e-4,
}  # fmt: skip
SIM_TO_REAL = {
    **PAPER, "batch_size": 1920, "train_envs": 32, "collect.env_steps": 20_000, "offline.updates": 2_000,
    "online.env_steps": 240_000, "online.env_steps_per_iteration": 4_800, "online.updates_per_step": 1 / 120,
}  # fmt: skip


@pytest.mark.parametrize("arm", FLOW_ARMS)
@pytest.mark.parametrize(
    ("words", "expected"),
    [("", LITTLE), (",paper", PAPER), ("-randomized", LITTLE), ("-randomized,paper", SIM_TO_REAL)],
)
def test_the_arms_of_the_paper_differ_in_their_algorithm_alone(arm, words, expected):
    config = configs.parse(configs.arm(arm, f"widowx-carrot-on-plate{words}"))
    values = config.flat()
    assert {name: values[name] for name in expected} == expected
    assert list(phases_of(config)) == ["collect", "offline", "online"]
    for section in set(algorithms_of(config)):  # of both phases
        named = ("entropy", "backup_samples", "target_rate", "critic_warmup")
        own = [values[f"{section}.{name}"] for name in named]
        assert own == [False, 1, *((0.005, 200) if "paper" in words else (0.05, 600))]
    assert config.online.algorithm == ("sac" if arm.endswith("_sac") else "")


@pytest.mark.parametrize("arm", ["cql", "cal_ql"])
def test_conservative_arms_ask_for_twenty_values(arm):
    section = configs.parse(configs.arm(arm, "widowx-spoon-in-bowl")).sections[arm]
    named = ("weight", "lagrange", "samples", "next_samples", "importance_sampling")
    assert [section[name] for name in named] == [1.0, False, 10, False, False]


def test_rankq_weighs_and_perturbs_as_in_the_paper():
    section = configs.parse(configs.arm("rankq", "widowx-cube-stacking")).sections["rankq"]
    assert [section[name] for name in ("sigma", "success_weight", "failure_weight")] == [0.15, 1.0, 1.0]


def test_what_fine_tuning_begins_with():
    def begun(ending):
        config = configs.recorded(
            nested(layers.merged(layers.layers_of(f"widowx-cube-stacking{ending}", arm="cql")))
        )
        return config.networks, config.init_from, config.encoder_training, config.critic_actions

    mine = ("vla-xs", "pretrained:vla-xs-cube-stacking", "cached", "relative")
    assert begun("") == begun("-grid") == begun("-randomized-heldout") == mine
    assert begun("-large") == ("vla-s", "", "cached", "relative")  # the package has no such policy
    assert begun("-state") == ("vla-state", "", "frozen", "absolute")


def test_a_smoke_of_fine_tuning_goes_through_all_phases_in_seconds():
    config = configs.parse(configs.arm("rankq", "widowx-cube-stacking,smoke"))
    # Rounds of an episode of 25 chunks in two environments.
    assert (config.train_envs, config.collect.env_steps, config.offline.updates) == (2, 100, 40)
    assert (config.online.env_steps, config.online.env_steps_per_iteration) == (150, 50)
    assert config.online.updates_per_step * 50 == 12.0
    assert config.sections["rankq"]["critic_warmup"] == 10


def test_alone_online_nothing_is_collected_before():
    config = configs.parse(configs.arm("sac", "widowx-cube-stacking"))  # the arm that learns online alone
    assert list(phases_of(config)) == ["online"] and config.collect.env_steps == 0


def test_smoke_is_short_and_keeps_what_sees_the_images():
    config = configs.parse(configs.arm("flow_bc", "widowx-cube-stacking,smoke"))
    assert (config.networks, config.offline.updates, config.batch_size) == ("vla-xs", 40, 32)
    assert config.actor_warmup <= 10 and config.online.env_steps == 0
