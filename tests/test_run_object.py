"""A run in Python: what is yielded, in which order, and going on after having left it."""

import itertools

import chex
import jax
import numpy as np
import pytest

from rankq_jax import loop
from rankq_jax.agents import cql, rankq, sac
from rankq_jax.loop import Run, Schedules, Stage, offline_to_online
from rankq_jax.loop.keys import initial_keys, iteration_keys
from tests.conftest import make_parts
from tests.loop_setting import TASK, dataset

__all__ = ["dataset"]  # a fixture
SEEDS = [0, 3]


def make_run(dataset, agent=None, **changes):
    small = dict(
        offline_updates=20, updates_per_iteration=10, updates_per_dispatch=5, env_steps=1_040,
        env_steps_per_iteration=260, updates_per_step=0.05, train_envs=2, batch_size=16,
        offline=Schedules(2, 1), online=Schedules(2, 1), online_agent=sac(*make_parts()),
    )  # fmt: skip
    plan = offline_to_online(agent or rankq(*make_parts()), **{**small, **changes})
    return Run(plan, TASK, dataset, seeds=SEEDS, evaluation_episodes=3, threads=1)


def kinds(events):
    """Names of the kinds of events, those that follow each other as one."""
    return [name for name, _ in itertools.groupby(type(event).__name__ for event in events)]


@pytest.fixture(scope="module")
def straight(dataset):
    run = make_run(dataset)
    return run, list(run)


def test_events_come_in_the_order_of_an_iteration(straight):
    _, events = straight
    without = ["Updated", "IterationEnd"]
    with_one = ["Updated", "Evaluating", "Evaluated", "IterationEnd"]
    offline = [event for event in events if event.phase == "offline"]
    assert kinds(offline) == [*without, *with_one]
    # 13 updates are due for the 260 steps of an iteration, so the first one has 2 dispatches of 5
    online = [event for event in events if event.phase == "online"]
    assert kinds(online) == 2 * ["Collected", *without, "Collected", *with_one]
    assert [event.updates for event in events if isinstance(event, loop.Evaluated)] == [20, 45, 70]
    assert [event.env_steps for event in events if isinstance(event, loop.Evaluated)] == [0, 520, 1_040]
    ends = [event for event in events if isinstance(event, loop.IterationEnd)]
    assert [event.last for event in ends] == 5 * [False] + [True] and all(event.checkpoint for event in ends)


def test_what_an_event_tells(straight):
    run, events = straight
    *_, evaluated, end = (event for event in events if not isinstance(event, loop.Evaluating))
    assert set(evaluated.metrics) == {"success", "return", "length"}
    assert all(values.shape == (2, 3) for values in evaluated.metrics.values())
    lengths = [len(episode.reward) for episode in evaluated.evaluation.episodes]
    np.testing.assert_array_equal(evaluated.metrics["length"].ravel(), lengths)
    assert evaluated.last and evaluated.phase == "online"
    steps = sum(event.steps for event in events if isinstance(event, loop.Evaluating))
    lengths = [e.metrics["length"].sum() for e in events if isinstance(e, loop.Evaluated)]
    assert steps == sum(lengths)
    updated = [event for event in events if isinstance(event, loop.Updated)]
    assert all(value.shape == (2,) for event in updated for value in event.metrics.values())
    assert [event.updates for event in updated] == [5, 10, 15, 20, *range(25, 75, 5)]
    assert run.state is end.state


@pytest.mark.parametrize("kind", ["Collected", "Updated", "Evaluating", "Evaluated", "IterationEnd"])
def test_breaking_out_and_going_on_equals_an_uninterrupted_run(kind, dataset, straight):
    whole, events = straight
    run, before = make_run(dataset), []
    for event in run:
        before.append(event)
        if isinstance(event, getattr(loop, kind)) and event.updates >= 20:
            break
    assert len(before) < len(events)
    after = list(run)  # from `run.state`
    chex.assert_trees_all_equal(jax.device_get(run.state), jax.device_get(whole.state))
    told = [event for event in before + after if isinstance(event, loop.Evaluated)]
    for ours, theirs in zip(told, (e for e in events if isinstance(e, loop.Evaluated)), strict=True):
        chex.assert_trees_all_equal(ours.evaluation, theirs.evaluation)
    told = [event.metrics for event in before + after if isinstance(event, loop.Updated)]
    for ours, theirs in zip(told, (e.metrics for e in events if isinstance(e, loop.Updated)), strict=True):
        chex.assert_trees_all_equal(ours, theirs)


def test_an_overlapping_iteration_tells_of_its_updates_at_once(dataset):
    run = make_run(dataset, offline_updates=0, env_steps=520, overlap=True)
    events = list(run)
    assert kinds(events) == [
        "Updated", "Collected", "IterationEnd", "Updated", "Collected", "Evaluating", "Evaluated",
        "IterationEnd",
    ]  # fmt: skip
    updated = [event for event in events if isinstance(event, loop.Updated)]
    assert [len(event.dispatches) for event in updated] == [2, 3]
    assert all(event.progress.stage == Stage.EVALUATE for event in updated)


def test_keys_are_folded_from_seed_phase_iteration_and_stream():
    """Others would be another run for every configuration that was ever trained."""

    def fold(seed, *path):
        key = jax.random.key(seed)
        for step in path:
            key = jax.random.fold_in(key, step)
        return jax.random.key_data(key)

    place = loop.Progress(phase=1, iteration=4)
    for attempt, again in ((0, ()), (2, (2,))):
        keys = iteration_keys([5, 9], place._replace(attempt=attempt))
        for stream, name in enumerate(("collect", "update", "evaluate", "relabel")):
            expected = [fold(seed, 2, 5, stream, *again) for seed in (5, 9)]
            np.testing.assert_array_equal(jax.random.key_data(getattr(keys, name)), expected)
    keys = initial_keys([5, 9])
    np.testing.assert_array_equal(jax.random.key_data(keys.agent), [fold(5, 0, 0), fold(9, 0, 0)])
    np.testing.assert_array_equal(jax.random.key_data(keys.relabeler), [fold(5, 0, 1), fold(9, 0, 1)])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(offline_updates=25), "offline_updates=25 is no multiple of updates_per_iteration=10"),
        (dict(updates_per_dispatch=4), "updates_per_iteration=10 is no multiple of updates_per_dispatch=4"),
        (dict(env_steps=1_000), "env_steps=1000 is no multiple of env_steps_per_iteration=260"),
        (dict(env_steps=3, train_envs=4), "env_steps=3 is no multiple of train_envs=4"),
        (
            dict(offline_updates=9, updates_per_dispatch=2),
            "offline_updates=9 is no multiple of updates",
        ),
        (dict(train_envs=3), "env_steps_per_iteration=260 is no multiple of train_envs=3"),
        (dict(mixing_ratio=1.5), "mixing_ratio=1.5 must be -1 or from 0 to 1"),
        (dict(offline_updates=0, env_steps=0), "nothing to do"),
        (dict(batch_size=0), "batch_size=0 must be at least 1"),
    ],
)
def test_a_plan_that_does_not_fit_is_refused(changes, message, dataset):
    with pytest.raises(ValueError, match=message):
        make_run(dataset, **changes)


def test_seeds_are_distinct(dataset):
    plan = offline_to_online(rankq(*make_parts()))
    with pytest.raises(ValueError, match=r"seeds=\[1, 1\]: must be distinct"):
        Run(plan, TASK, dataset, seeds=[1, 1])


@pytest.mark.parametrize("begin", [sac, cql])
def test_a_phase_with_another_algorithm_has_the_dual_variables_of_its_own(begin, dataset):
    follow = cql if begin is sac else sac
    few = dict(offline_updates=5, updates_per_iteration=5, env_steps=260, online_agent=follow(*make_parts()))
    run = make_run(dataset, agent=begin(*make_parts()), **few)
    seen = {}
    for event in run:
        if isinstance(event, loop.IterationEnd):
            seen[event.phase] = set(event.state.agent.duals)
    lagrange = {"temperature", "cql_weight"}
    assert seen == {
        "offline": lagrange if begin is cql else {"temperature"},
        "online": lagrange if begin is sac else {"temperature"},
    }
