"""Every configuration trains at `smoke`, and a field that does not exist fails."""

import itertools
import json
import re

import jax
import numpy as np
import pytest

from rankq_jax import configs
from rankq_jax.agents import AGENTS
from rankq_jax.configs import domains, layers
from rankq_jax.configs.arms import ARMS
from rankq_jax.configs.fields import nested
from rankq_jax.errors import InputError
from rankq_jax.tasks import find
from rankq_jax.training import agents, build, train
from rankq_jax.writers import read_lines

FILES = sorted(ARMS)

# What is left out by the arms that do not have both phases.
ONLINE_ALONE = {"sac", "rlpd"}
OFFLINE_ALONE = {"bc", "bc_gaussian", "bc_best10", "flow_bc", "oap_td3_bc", "oap_iql"}
ONLINE_SAC = {"cql_sac", "cal_ql_sac", "rankq_sac"}


def test_every_agent_has_a_configuration():
    assert set(AGENTS) == {configs.arm(name).algorithm for name in FILES}
    for name in FILES:
        assert configs.arm(name).name == name


def test_the_nine_arms_of_the_paper_differ_in_phases_and_slots_alone():
    arms = ["sac", "sac_off", "hybrid_rl", "cql", "cql_sac", "cal_ql", "cal_ql_sac", "rankq", "rankq_sac"]
    known = {name: configs.arm(name).to_dict() for name in arms}
    may_differ = {"name", "algorithm", "offline", "online", "train_envs"}
    for name in arms:
        for field, value in known[name].items():
            if field not in may_differ:
                assert value == known["sac"][field], (name, field)
    for section in ("cql", "cal_ql", "rankq"):  # one backup, one target rate, one entropy for all
        for field, value in known["sac"]["sac"].items():
            assert known["sac"][section][field] == value, (section, field)
    mixing = {name: config["online"]["mixing_ratio"] for name, config in known.items()}
    assert mixing == {**dict.fromkeys(arms, 0.5), "sac": 0.0, "sac_off": -1.0}
    then = {name: config["online"]["algorithm"] for name, config in known.items()}
    assert then == {name: "sac" if name in ONLINE_SAC else "" for name in arms}
    assert [name for name in arms if known[name]["offline"]["updates"] == 0] == ["sac"]


def test_the_ablations_change_one_argument_each():
    full = configs.arm("rankq").rankq.to_dict()
    changed = {
        name: {k: v for k, v in configs.arm(name).rankq.to_dict().items() if v != full[k]}
        for name in ("rankq_sigma30", "rankq_no_permuted", "rankq_no_chain")
    }
    assert changed == {
        "rankq_sigma30": {"sigma": 0.3},
        "rankq_no_permuted": {"permuted": False},
        "rankq_no_chain": {"chain": False},
    }


# Arms of which another one compiles and runs the same code: one with other numbers, or an algorithm and an
# order of phases that two other arms have between them.
ALIKE = {
    "bc_best10", "cal_ql_sac", "cql_sac", "expert", "hybrid_rl", "oap_iql", "rankq_no_chain",
    "rankq_no_permuted", "rankq_sigma30", "sac_off",
}  # fmt: skip


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in ALIKE)) for name in FILES]
)
def test_a_configuration_trains_at_smoke(name, tmp_path, expert):
    config = configs.arm(name, "pointmaze-umaze,smoke")
    config.seeds = 2
    config.preferences.expert = str(expert)
    summary = train.train(configs.parse(config), tmp_path / "run")
    folder = tmp_path / "run"
    assert json.loads((folder / "summary.json").read_text()) == json.loads(json.dumps(summary))
    assert summary["name"] == name and summary["algorithm"] == config.algorithm
    assert summary["seeds"] == [0, 1]
    phases = {"offline"} - ({"offline"} if name in ONLINE_ALONE else set())
    phases |= {"online"} - ({"online"} if name in OFFLINE_ALONE else set())
    online = 0.02 * (1800 - config.online.warmup) // 4 * 4  # in whole dispatches of four
    assert summary["updates"] == 40 * ("offline" in phases) + online * ("online" in phases)
    assert summary["env_steps"] == 1800 * ("online" in phases)
    reported = {"final_success_rate", "final_episode_length"}
    for field in reported | ({"offline_success_rate"} if "offline" in phases else set()):
        assert len(summary[field]) == 2 and np.isfinite(summary[field]).all()
    assert {"compile", "update", "evaluate", "total"} <= set(summary["wall_seconds"])
    evaluations = read_lines(folder / "evaluations.jsonl")
    assert {r["seed"] for r in evaluations} == {0, 1}
    assert {"return", "length", "success", "start", "goal", "phase", "updates"} <= set(evaluations[0])
    metrics = read_lines(folder / "metrics.jsonl")
    assert {m["phase"] for m in metrics} == phases
    loss = "actor/loss" if config.algorithm in ("bc", "flow_bc") else "critic/td"
    assert all(np.isfinite(m[loss]) for m in metrics)
    asked = [m["preferences/queries"] for m in metrics if "preferences/queries" in m]
    assert asked == ([100.0, 100.0] if name.startswith("oap") else [])  # of 200 in two rounds, one in vain
    recorded = json.loads((folder / "config.json").read_text())
    assert recorded["config"]["algorithm"] == config.algorithm
    assert recorded["versions"]["jax"] and recorded["git_commit"]
    assert list((folder / "tensorboard" / "seed1").glob("events*"))
    page = (folder / "report" / "index.html").read_text()
    pictures = 2 if config.algorithm in ("bc", "flow_bc") else 3  # curves, maze, and landscapes of a critic
    assert page.count("data:image/png;base64,") == pictures
    assert "not finished" not in page
    assert "http" not in re.sub(r"base64,[^\"]+", "", page)  # opens without a network


@pytest.mark.parametrize("task", ["pointmaze-umaze", "pointmaze-medium", "pointmaze-large"])
@pytest.mark.parametrize("name", FILES)
def test_every_task_builds(name, task):
    built = build.experiment(configs.parse(configs.arm(name, task)))
    expected = [phase for phase, alone in (("offline", ONLINE_ALONE), ("online", OFFLINE_ALONE))
                if name not in alone]  # fmt: skip
    assert [phase.name for phase in built.plan] == expected


def of_domain(domain, algorithm, task):
    """The configuration of a point maze with the values of a domain, under the name of another task."""
    found = layers.defaults(find("pointmaze-umaze"), algorithm) + domains.layers(domain, algorithm, task)
    return configs.parse(nested(layers.merged(found)))


# The experts are no comparison: one algorithm trains them, another imitates them.
COMPARED = sorted(set(domains.DOMAINS) - {"experts", "tabletop"})


@pytest.mark.parametrize(
    ("domain", "algorithm"),
    [*itertools.product(COMPARED, sorted(AGENTS)), ("experts", "sac"), ("experts", "bc")],
)
def test_every_domain_has_values_of_every_algorithm_that_an_agent_accepts(domain, algorithm):
    assert algorithm in domains.DOMAINS[domain].ALGORITHMS
    tasks = ["other", *domains.DOMAINS[domain].TASKS]
    for task in tasks:
        config = of_domain(domain, algorithm, task)  # a field that does not exist fails
        agent = agents.agent_of(config, algorithm, agents.networks_of(config, 2), {})
        state = jax.eval_shape(agent.init, jax.random.key(0), build.example(config, find("pointmaze-umaze")))
        assert jax.tree.leaves(state)


def test_values_of_a_domain_come_from_the_longest_name_that_fits():
    config = of_domain("antmaze", "rebrac", "antmaze-umaze-diverse-v2")
    assert (config.sections["rebrac"]["actor_weight"], config.sections["rebrac"]["critic_weight"]) == (
        0.003,
        0.001,
    )
    assert (config.discount, config.reward_scale, config.critic_layer_norm) == (0.999, 100.0, "after")
    config = of_domain("adroit", "rankq", "adroit-pen")
    assert (config.batch_size, config.online.env_steps) == (256, 200_000)
    config = of_domain("adroit", "rankq", "adroit-pen-human")  # the values of pen hold for it too
    assert (config.batch_size, config.online.env_steps) == (256, 200_000)
    config = of_domain("adroit", "oap_iql", "adroit-pen-human")
    assert config.online.env_steps == 0
    config = of_domain("adroit", "rankq", "adroit-door")
    assert (config.batch_size, config.actor_learning_rate, config.online.env_steps) == (512, 2e-5, 1_000_000)


@pytest.mark.parametrize(
    ("words", "offline", "ratio", "phases"),
    [
        ("offline", 8_000, -1.0, ["offline"]),
        ("online", 0, 0.0, ["online"]),
        ("online_mix", 0, -1.0, ["online"]),
        ("offline_to_online", 8_000, -1.0, ["offline", "online"]),
    ],
)
def test_the_training_schemes_are_words(words, offline, ratio, phases):
    config = configs.arm("td3_bc", f"pointmaze-medium,{words}")
    assert config.offline.updates == offline and config.online.mixing_ratio == ratio
    assert [phase.name for phase in build.experiment(configs.parse(config)).plan] == phases


def test_the_lengths_of_a_decay_follow_those_of_the_phases():
    config = configs.arm("rebrac", "pointmaze-umaze")
    config.update_from_flattened_dict({"offline.updates": 3_000, "online.env_steps": 1_000})
    config.online.updates_per_step = 0.5
    assert (config.online.arguments.decay_from, config.online.arguments.decay_updates) == (3_000, 500)


def test_a_phase_can_go_on_with_another_algorithm(tmp_path):
    config = configs.arm("rankq", "pointmaze-umaze,smoke")
    config.online.algorithm = "sac"
    config.online.env_steps = 600
    train.train(configs.parse(config), tmp_path / "run")
    metrics = read_lines(tmp_path / "run" / "metrics.jsonl")
    ranked = {m["phase"] for m in metrics if "critic/rank/success_share" in m}
    assert ranked == {"offline"}


def test_an_argument_that_the_agent_does_not_take_fails():
    config = configs.arm("rankq", "pointmaze-umaze")
    config.rankq.sigmma = 0.3
    with pytest.raises(
        InputError,
        match=r"unknown configuration field config.rankq.sigmma. Did you mean --config.rankq.sigma",
    ):
        build.experiment(configs.parse(config))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"algorithm": "rnkq"}, r"unknown algorithm 'rnkq'. Did you mean 'rankq'\?"),
        ({"task": "pointmaze-umase"}, r"unknown task 'pointmaze-umase'. Did you mean 'pointmaze-umaze'\?"),
        ({"seed": -1}, "config.seed=-1 must be at least 0"),
        ({"seed": 2**32 - 1, "seeds": 2}, "at most 4294967295"),
        ({"online.updates_per_dispatch": 0}, "updates_per_dispatch=0 must be at least 1"),
        ({"online.env_steps": -200}, "must be at least 0"),
        ({"online.mixing_ratio": 5.0}, "must be -1 or between 0 and 1"),
        ({"sac.backup_samples": 0}, "config.sac.backup_samples=0 must be at least 1"),
        ({"critic_learning_rate": float("nan")}, "must be at least 0"),
        ({"parallel": "seed"}, r"unknown value 'seed'. Did you mean 'seeds'\?"),
        ({"parallel": "batch", "seeds": 2}, "trains one seed"),
        ({"parallel": "batch", "batch_size": 3}, "does not divide over 2 devices"),
        ({"seeds": 0}, "config.seeds=0 must be at least 1"),
        ({"discount": 1.0}, "config.discount=1.0"),
        (
            {"offline.updates": 1_750},
            "offline.updates=1750 is no multiple of .*updates_per_iteration=500",
        ),
        (
            {"offline.updates_per_dispatch": 300},
            "updates_per_iteration=500 is no multiple of config.offline.updates_per_dispatch=300",
        ),
        (
            {"online.env_steps_per_iteration": 201},
            "=201 is no multiple of config.train_envs=4",
        ),
        ({"online.mixing_ratio": -1.0, "online.mixing_anneal": 10}, "between 0 and 1"),
        ({"offline.updates": 0, "online.env_steps": 0}, "nothing to do"),
        ({"networks": "cal_q"}, r"unknown value 'cal_q'. Did you mean 'cal_ql'\?"),
        ({"networks": "td3"}, "config.sac: an actor-critic agent needs a policy with a density"),
        ({"actor_dropout": 0.1}, "actor_dropout is for the Gaussian policies"),
        ({"critic_layer_norm": "befor"}, "must be one of none, before, after"),
        ({"keep_best": 0.0}, r"config.keep_best=0.0 must be in \(0, 1\]"),
        ({"online.algorithm": "iql", "networks": "iql", "offline.algorithm": "awac"}, "cannot go on from"),
        ({"preferences.flipped_answers": 1.5}, "must be at most 1"),
    ],
)
def test_values_that_do_not_fit(changes, message):
    config = configs.arm("hybrid_rl", "pointmaze-umaze")
    config.update_from_flattened_dict(changes)
    with pytest.raises(InputError, match=message):
        build.experiment(configs.parse(config))


def test_the_mixing_ratio_follows_its_schedule():
    config = configs.arm("hybrid_rl", "pointmaze-umaze")
    config.online.update(dict(mixing_ratio=0.9, mixing_ratio_final=0.1, mixing_anneal=1_000))
    ratio = build.experiment(configs.parse(config)).plan[1].mixing_ratio
    np.testing.assert_allclose([ratio(0), ratio(500), ratio(5_000)], [0.9, 0.5, 0.1], rtol=1e-6)


def test_an_unknown_word_after_the_task():
    with pytest.raises(InputError, match=r"unknown option 'smke'.*Did you mean 'smoke'\?"):
        configs.get_config("pointmaze-umaze,smke")


def test_one_seed_with_its_batch_over_two_devices_trains_from_a_configuration(tmp_path):
    config = configs.arm("rankq", "pointmaze-umaze,smoke")
    config.parallel, config.offline.updates, config.online.env_steps = "batch", 20, 0
    assert build.experiment(configs.parse(config)).layout.devices == 2
    summary = train.train(configs.parse(config), tmp_path / "run")
    assert summary["updates"] == 20


def test_rates_and_clipping_reach_their_networks():
    """One step of Adam moves every weight by its rate, clipped or not; clipping comes before it."""
    config = configs.arm("hybrid_rl", "pointmaze-umaze")
    config.update_from_flattened_dict({"actor_learning_rate": 0.5, "critic_learning_rate": 0.25})
    optimizers = agents.optimizers_of(configs.parse(config))
    gradient = {"w": np.array([30.0, -40.0], np.float32)}
    for optimizer, rate in (
        (optimizers.actor, 0.5),
        (optimizers.critic, 0.25),
        (optimizers.of_dual("temperature"), 0.5),
        (optimizers.of_dual("cql_weight"), 0.25),
    ):
        updates, state = optimizer.update(gradient, optimizer.init(gradient))
        np.testing.assert_allclose(updates["w"], [-rate, rate], rtol=1e-5)
        first_moments = [leaf for leaf in jax.tree.leaves(state) if np.shape(leaf) == (2,)]
        clipped = optimizer in (optimizers.actor, optimizers.critic)
        # a tenth of the gradient, which clipping brought from norm 50 to norm 1
        expected = np.array([0.06, -0.08]) if clipped else np.array([3.0, -4.0])
        np.testing.assert_allclose(first_moments[0], expected, rtol=1e-5)


def test_the_rate_of_the_policy_falls_along_a_cosine_in_a_run_that_is_offline_alone():
    config = configs.arm("iql", "pointmaze-umaze")
    config.update_from_flattened_dict({"offline.updates": 8, "actor_learning_rate": 0.5})
    gradient, taken = {"w": np.ones(1, np.float32)}, {}
    for env_steps in (0, 4_000):
        config.online.env_steps = env_steps
        optimizer = agents.optimizers_of(configs.parse(config)).actor
        state, steps = optimizer.init(gradient), []
        for _ in range(9):
            step, state = optimizer.update(gradient, state)
            steps.append(-float(step["w"][0]))  # Adam moves by its rate under a constant gradient
        taken[env_steps] = steps
    expected = [0.5 * 0.5 * (1 + np.cos(np.pi * i / 8)) for i in range(9)]
    np.testing.assert_allclose(taken[0], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(taken[4_000], np.full(9, 0.5), rtol=1e-4)  # fine-tuning keeps its rate
    assert not configs.arm("td3_bc", "pointmaze-umaze").actor_cosine_decay
