"""A time limit that a configuration gives in place of the task's own."""

import numpy as np
import pytest

import rankq_jax as rq
from rankq_jax import tasks
from rankq_jax.envs.streams import streams
from rankq_jax.errors import InputError
from rankq_jax.tasks import with_horizon
from rankq_jax.training import build, datasets
from tests.experiments.going_on import config_of
from tests.gymnasium_cases import Point


def truncations(task, steps):
    """The steps, from 1, at which one episode after another of an environment at rest is truncated."""
    env, found = task.environment(1, 1), []
    state = env.reset(streams(0, 1))
    for number in range(1, steps + 1):
        state, step = env.step(state, np.zeros((1, env.action_size)), np.ones(1, bool))
        found += [number] if step.truncated[0] else []
    return found


def test_a_simulation_is_truncated_by_it():
    task = tasks.find("pointmaze-umaze")
    assert task.spec.horizon == 300 and truncations(task, 70) == []
    short = with_horizon(task, 30)
    assert short.spec.horizon == 30 and truncations(short, 70) == [30, 60]
    assert short.unending(1, 1).horizon == 30 and with_horizon(task, 400).spec.horizon == 400
    assert with_horizon(task, 0) is task and with_horizon(task, 300) is task


def test_an_environment_of_gymnasium_is_truncated_by_it():
    task = tasks.find("gym:Pendulum-v1")
    assert truncations(with_horizon(task, 30), 70) == [30, 60]
    assert truncations(with_horizon(task, 210), 215) == [210]  # its own limit is 200


def test_a_limit_that_cannot_be_had_is_refused(tmp_path):
    swing = rq.from_gymnasium(Point, name="swing")
    assert with_horizon(swing, 5).spec.horizon == 5
    words = r"config.horizon=50: the task 'swing': its environments end their episodes after 8 steps; leave"
    with pytest.raises(InputError, match=words):
        with_horizon(swing, 50)
    fixed = swing._replace(
        environment=lambda rows, threads: swing.environment(rows, threads)._replace(limit=None)
    )
    with pytest.raises(InputError, match="no other time limit than their own; leave it out"):
        with_horizon(fixed, 5)
    with pytest.raises(InputError, match="is a dataset; leave it out"):
        with_horizon(tasks.find(f"data:{tmp_path / 'absent.npz'}"), 10)


def test_a_run_has_it_and_recorded_episodes_that_outlast_it_are_reported():
    config = config_of(horizon=40, dataset_steps=3_000)
    built = build.experiment(config)
    assert built.task.spec.horizon == 40
    words = "recorded episodes outlast the 40 steps of the task; the longest has 300"
    with pytest.warns(UserWarning, match=words):
        data = datasets.load(config, built.task)[1]
    setup = build.world(config, built, data)
    assert setup.env.horizon == setup.evaluation_env.horizon == 40
