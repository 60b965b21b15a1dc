"""`paper` is what was published, beside the default."""

import numpy as np
import pytest

from rankq_jax import configs, tasks
from rankq_jax.data import mixture
from rankq_jax.data.readings import READINGS
from rankq_jax.envs.streams import streams
from rankq_jax.errors import InputError
from rankq_jax.training import build, plans

HANDS = ("adroit-pen", "adroit-door", "adroit-relocate")
CAL_QL = ("sac", "cql", "cal_ql", "rankq")

# algorithm -> reading, offline updates, online steps on the pen and on the others, a success ends an episode
PUBLISHED = {
    **{name: ("cal_ql", 20_000, 200_000, 1_000_000, True) for name in CAL_QL},  # run_adroit of Cal-QL's code
    "iql": ("cal_ql", 20_000, 500_000, 500_000, True),  # WSRL's code
    "awac": ("rlpd", 25_000, 1_000_000, 1_000_000, False),  # rlkit, CORL
    "rlpd": ("rlpd", 0, 1_000_000, 1_000_000, False),  # README of RLPD's code
    "rebrac": ("task", 1_000_000, 1_000_000, 1_000_000, True),  # ReBRAC's code, on other rewards
}


@pytest.mark.parametrize("algorithm", PUBLISHED)
@pytest.mark.parametrize("hand", HANDS)
def test_paper_on_the_hands(hand, algorithm):
    reading, updates, pen, others, ends = PUBLISHED[algorithm]
    config = configs.get_config(f"{hand},paper", algorithm)
    steps = pen if hand == "adroit-pen" else others
    found = (
        config.dataset_reading,
        config.offline.updates,
        config.online.env_steps,
        config.online.terminates,
    )
    assert found == (reading, updates, steps, ends)


@pytest.mark.parametrize("algorithm", [*PUBLISHED, "td3_bc", "bc", "oap_iql"])
@pytest.mark.parametrize("task", [*HANDS, "antmaze-medium-play", "pointmaze-umaze"])
def test_the_default_reads_by_the_task_and_ends_at_successes(task, algorithm):
    config = configs.get_config(task, algorithm)
    assert (config.dataset_reading, config.dataset_kind, config.online.terminates) == ("task", "", True)


@pytest.mark.parametrize("algorithm", [*PUBLISHED, "td3_bc", "bc"])
def test_paper_on_antmaze_is_d4rl_with_rare_successes(algorithm):
    config = configs.get_config("antmaze-large-diverse,paper", algorithm)
    assert (config.dataset_reading, config.dataset_kind) == ("d4rl", "waypoints-rare")
    assert config.dataset_kind in tasks.find(config.task).generators and config.dataset_reading in READINGS


@pytest.mark.parametrize("algorithm", [*CAL_QL, "iql", "awac", "td3_bc"])
def test_which_codes_draw_from_one_buffer(algorithm):
    config = configs.get_config("pointmaze-umaze,offline_to_online", algorithm)
    assert (config.online.mixing_ratio, config.online.merged_exactly) == (-1.0, algorithm not in CAL_QL)


def test_one_buffer_is_drawn_from_where_a_fixed_share_is_not_asked_for():
    config = configs.get_config("pointmaze-umaze", "iql")
    draws = {}
    for ratio, anneal in ((-1.0, 0), (0.5, 0), (0.5, 100)):
        config.online.mixing_ratio, config.online.mixing_anneal = ratio, anneal
        draws[ratio, anneal] = plans._draw(configs.parse(config)).__name__
    assert draws == {(-1.0, 0): "merged", (0.5, 0): "uniform", (0.5, 100): "uniform"}


@pytest.mark.parametrize("algorithm", ["iql", "cal_ql"])
def test_the_online_phase_alone_draws_from_one_buffer(algorithm, monkeypatch):
    asked, merged = [], mixture.merged
    monkeypatch.setattr(mixture, "merged", lambda rows: asked.append(rows) or merged(rows))
    config = configs.get_config("pointmaze-umaze,smoke,offline_to_online", algorithm)
    build.experiment(configs.parse(config))
    assert set(asked) == ({config.batch_size} if algorithm == "iql" else set())


def test_an_unending_task_goes_on_after_a_success():
    """The same random actions turn the pen in a few episodes; those end there, or go on to their limit."""
    task, rows = tasks.find("adroit-pen"), 40
    endings, reached = {}, {}
    for name, make in (("ends", task.environment), ("unending", task.unending)):
        env, random = make(rows, 0), np.random.default_rng(0)
        state = env.reset(streams(0, rows))
        alive, terminated, succeeded = np.ones(rows, bool), np.zeros(rows, bool), np.zeros(rows, bool)
        for _ in range(99):
            state, step = env.step(state, random.uniform(-1, 1, (rows, env.action_size)), np.ones(rows, bool))
            terminated |= alive & step.terminated
            succeeded |= alive & step.success
            alive &= ~step.terminated  # what follows an end is another episode
        endings[name], reached[name] = terminated, succeeded
    assert reached["ends"].any()
    np.testing.assert_array_equal(reached["ends"], reached["unending"])
    np.testing.assert_array_equal(endings["ends"], reached["ends"])
    assert not endings["unending"].any()


def test_data_is_collected_in_the_environment_that_is_asked_for():
    made = []
    task = tasks.find("adroit-pen")
    watched = task._replace(
        environment=lambda *sizes: made.append("ends") or task.environment(*sizes),
        unending=lambda *sizes: made.append("unending") or task.unending(*sizes),
    )
    config = configs.get_config("adroit-pen,smoke", "rlpd")
    built = build.experiment(configs.parse(config))._replace(task=watched)
    for terminates, collecting in ((True, "ends"), (False, "unending")):
        made.clear()
        config.online.terminates = terminates
        build.world(configs.parse(config), built, build.example(configs.parse(config), task))
        assert made == [collecting, "ends"]  # evaluation ends at a success either way


def test_a_task_whose_episodes_never_end_at_a_success_refuses_the_field():
    config = configs.get_config("expert-pen", "sac")
    config.online.terminates = False
    with pytest.raises(InputError, match=r"online\.terminates"):
        build.experiment(configs.parse(config))
