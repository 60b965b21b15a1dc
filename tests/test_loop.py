"""A whole run in miniature: seeds, devices, phases, and going on from a checkpoint."""

import shutil

import chex
import jax
import numpy as np
import pytest

from rankq_jax import loop, metrics
from rankq_jax.agents import sac
from rankq_jax.checkpoints import Checkpoints, Rows
from rankq_jax.data import mixture
from rankq_jax.errors import NumericsError
from rankq_jax.lifting import scan_updates, vmap_seeds, with_sampling
from rankq_jax.loop import Stage
from rankq_jax.parallel import batch_over_devices, distributed, seeds_over_devices
from rankq_jax.phases import Phase, due
from rankq_jax.training.resume import may_save, may_stop
from tests.conftest import make_parts
from tests.loop_setting import (
    EPISODES,
    ROWS,
    Recorded,
    dataset,
    execute,
    follow,
    go_on,
    make_plan,
    make_setup,
)

__all__ = ["dataset"]  # a fixture


@pytest.fixture(scope="module")
def two_seeds(dataset):
    return execute(dataset, [0, 1])


def test_a_run_does_what_its_plan_says(two_seeds):
    layout, final, recorded, stopwatch = two_seeds
    # 2 rounds of 10 updates; then 4 rounds of 2 * 130 steps, the first 100 of which owe nothing
    assert final.progress.env_steps == 4 * 260
    owed = int(0.05 * (4 * 260 - 100))
    assert final.progress.updates == 20 + owed // 4 * 4
    assert int(layout.merge(final.agent.step)[0]) == final.progress.updates
    assert [(phase, p.updates) for phase, p, _ in recorded.evaluations] == [
        ("offline", 20), ("online", 40), ("online", 64),
    ]  # fmt: skip
    assert recorded.saved == 6
    assert all(value.shape == (2,) for _, _, values in recorded.metrics for value in values.values())
    assert any("critic/rank/success_share" in values for phase, _, values in recorded.metrics)
    assert not any("critic/rank/success_share" in v for phase, _, v in recorded.metrics if phase == "online")
    assert min(stopwatch.seconds[s] for s in ("compile", "collect", "update", "evaluate")) > 0


def test_only_finished_episodes_are_replayed_and_labeled_as_a_whole(two_seeds):
    layout, final, _, _ = two_seeds
    buffer = layout.merge(final.buffer)
    # 520 steps per row: one time limit at 300 unless the goal came first, the rest still running
    for seed in range(2):
        inserted = int(buffer.inserted[seed])
        running = final.recorder.length[seed * ROWS : (seed + 1) * ROWS].sum()
        assert inserted + running == 4 * 260
        held = np.asarray(buffer.data.extras["mc_return"][seed][:inserted])
        failed = np.asarray(buffer.data.extras["success"][seed][:inserted]) == 0
        np.testing.assert_allclose(held[failed], -100.0, rtol=1e-4)


def test_a_seed_beside_another_equals_that_seed_alone(dataset, two_seeds):
    layout, together, recorded, _ = two_seeds
    _, alone, lone, _ = execute(dataset, [1])
    mine = jax.tree.map(lambda x: x[1:], layout.merge(together.agent))
    chex.assert_trees_all_close(mine, jax.tree.map(lambda x: x[0], alone.agent), rtol=1e-3, atol=1e-5)
    for (_, _, ours), (_, _, theirs) in zip(recorded.evaluations, lone.evaluations, strict=True):
        np.testing.assert_array_equal(ours.start[1], theirs.start[0])
        # where the last step of each episode led, which unlike success is never the same by accident
        mine = [e.next_observation[-1] for e in ours.episodes[EPISODES:]]
        np.testing.assert_allclose(mine, [e.next_observation[-1] for e in theirs.episodes], atol=1e-3)


def test_two_devices_give_what_one_gives(dataset, two_seeds):
    layout, one, recorded, _ = two_seeds
    spread, two, other, _ = execute(dataset, [0, 1], devices=2)
    assert (layout.devices, spread.devices) == (1, 2)
    chex.assert_trees_all_close(
        jax.device_get(layout.merge(one.agent)), jax.device_get(spread.merge(two.agent)), rtol=1e-3, atol=1e-5
    )
    ours, theirs = recorded.evaluations[-1][2], other.evaluations[-1][2]
    for mine, other_episode in zip(ours.episodes, theirs.episodes, strict=True):
        np.testing.assert_allclose(mine.next_observation[-1], other_episode.next_observation[-1], atol=1e-3)


@pytest.mark.parametrize("stop_after", [1, 2, 4, 5])
def test_interrupted_and_resumed_equals_straight(dataset, two_seeds, tmp_path, stop_after):
    layout, straight, recorded, _ = two_seeds
    plan, setup = make_plan(layout), make_setup(dataset, [0, 1])
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    first = Recorded(checkpoints, stop_after)
    follow(plan, setup, layout, first)
    assert first.stopped
    checkpoints.close()
    second = Recorded()
    final = go_on(tmp_path / "checkpoints", plan, setup, layout, second)
    chex.assert_trees_all_equal(jax.device_get(final), jax.device_get(straight))  # bit for bit
    resumed = first.metrics + second.metrics
    assert [p for _, p, _ in resumed] == [p for _, p, _ in recorded.metrics]
    for (_, _, ours), (_, _, theirs) in zip(resumed, recorded.metrics, strict=True):
        chex.assert_trees_all_equal(ours, theirs)
    for (_, _, ours), (_, _, theirs) in zip(
        first.evaluations + second.evaluations, recorded.evaluations, strict=True
    ):
        chex.assert_trees_all_equal(ours, theirs)


class Nth:
    """Whether an event is the `number`th of its kind."""

    def __init__(self, kind, number):
        self.kind, self.left = getattr(loop, kind), number

    def __call__(self, event):
        self.left -= isinstance(event, self.kind)
        return self.left == 0 and isinstance(event, self.kind)


# Offline iterations have two dispatches; online there are 8 updates in the first one, then 13, in fours.
# Iterations 2, 4 and 6 have an evaluation.
@pytest.mark.parametrize(
    ("kind", "number", "phase", "iteration", "stage", "dispatches", "evaluations"),
    [
        ("Updated", 1, 0, 0, Stage.UPDATE, 1, 0),
        ("Updated", 2, 0, 0, Stage.EVALUATE, 2, 0),
        ("IterationEnd", 1, 0, 1, Stage.COLLECT, 0, 0),
        ("Updated", 3, 0, 1, Stage.UPDATE, 1, 0),
        ("Evaluating", 1, 0, 1, Stage.EVALUATE, 2, 0),
        ("Evaluating", 88, 0, 1, Stage.EVALUATE, 2, 0),
        ("Evaluated", 1, 0, 2, Stage.COLLECT, 0, 1),
        ("IterationEnd", 2, 0, 2, Stage.COLLECT, 0, 1),  # the end of the phase
        ("Collected", 1, 1, 0, Stage.UPDATE, 0, 1),
        ("Updated", 5, 1, 0, Stage.UPDATE, 1, 1),
        ("Updated", 8, 1, 1, Stage.UPDATE, 2, 1),
    ],
)
def test_a_run_that_is_asked_to_stop_goes_on_exactly(
    kind, number, phase, iteration, stage, dispatches, evaluations, dataset, two_seeds, tmp_path
):
    """At every kind of event, also inside an evaluation, which is made again."""
    layout, straight, recorded, _ = two_seeds
    plan, setup = make_plan(layout), make_setup(dataset, [0, 1])
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    first = Recorded(checkpoints, stop=Nth(kind, number))
    follow(plan, setup, layout, first)
    assert first.stopped
    checkpoints.close()
    like = loop.portable(loop.initial(plan, setup, layout), layout)
    progress = loop.Progress(*checkpoints.restore(like).parts["progress"])
    found = (progress.phase, progress.iteration, progress.stage, progress.dispatches)
    assert found == (phase, iteration, stage, dispatches)
    assert len(first.evaluations) == evaluations
    second = Recorded()
    final = go_on(tmp_path / "checkpoints", plan, setup, layout, second)
    chex.assert_trees_all_equal(jax.device_get(final), jax.device_get(straight))  # bit for bit
    resumed = first.metrics + second.metrics
    assert [p for _, p, _ in resumed] == [p for _, p, _ in recorded.metrics]
    for (_, _, ours), (_, _, theirs) in zip(resumed, recorded.metrics, strict=True):
        chex.assert_trees_all_equal(ours, theirs)
    resumed = first.evaluations + second.evaluations
    for (_, _, ours), (_, _, theirs) in zip(resumed, recorded.evaluations, strict=True):
        chex.assert_trees_all_equal(ours, theirs)


def between_dispatches(event):
    """Whether an event lies between two dispatches of an iteration, or at its end."""
    updating = isinstance(event, loop.Updated) and event.progress.stage == Stage.UPDATE
    return updating or isinstance(event, loop.IterationEnd)


def test_a_checkpoint_between_dispatches(dataset, two_seeds, tmp_path):
    """Wanted in the middle of a round: the run goes on after it, and so does another one from it."""
    layout, straight, recorded, _ = two_seeds
    plan = tuple(phase._replace(checkpoint_every=0) for phase in make_plan(layout))
    setup, checkpoints = make_setup(dataset, [0, 1]), Checkpoints(tmp_path / "checkpoints", keep=20)
    first = Recorded(checkpoints)
    first._wanted = between_dispatches
    final = follow(plan, setup, layout, first)
    chex.assert_trees_all_equal(jax.device_get(final), jax.device_get(straight))
    checkpoints.close()
    # between the two dispatches of the offline rounds, and the 2, 3, 3 and 3 of the others
    like = loop.portable(loop.initial(plan, setup, layout), layout)
    found = [
        loop.Progress(*checkpoints.restore(like, number=n).parts["progress"]) for n in checkpoints.numbers
    ]
    within = [(p.phase, p.iteration, p.dispatches) for p in found if p.stage == Stage.UPDATE]
    assert within == [
        (0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 1, 1), (1, 1, 2), (1, 2, 1), (1, 2, 2), (1, 3, 1), (1, 3, 2),
    ]  # fmt: skip
    assert len(found) == len(within) + 6
    middle = checkpoints.numbers[found.index(next(p for p in found if (p.phase, p.dispatches) == (1, 2)))]
    for number in [n for n in checkpoints.numbers if n > middle]:
        shutil.rmtree(checkpoints.path(number))
    second = Recorded()
    final = go_on(tmp_path / "checkpoints", plan, setup, layout, second)
    chex.assert_trees_all_equal(jax.device_get(final), jax.device_get(straight))
    assert [p for _, p, _ in second.metrics] == [p for _, p, _ in recorded.metrics][-len(second.metrics) :]


def test_processes_that_train_together_are_asked_at_the_ends_of_iterations_only(dataset, monkeypatch):
    """Where they come by at the same time: what is asked is agreed on by all of them."""
    layout = seeds_over_devices(1, jax.devices()[:1])
    plan = tuple(phase._replace(checkpoint_every=0) for phase in make_plan(layout))
    setup, asked = make_setup(dataset, [0]), []

    def ask(event):
        asked.extend(["stop"] * may_stop(event) + ["due"] * may_save(event))

    monkeypatch.setattr(jax, "process_count", lambda: 2)
    follow(plan, setup, layout, Recorded(stop=ask))
    # Six iterations, the last of which is not stopped after.
    assert asked == ["stop", "due"] * 5 + ["due"]


def test_a_request_at_the_very_end_changes_nothing(dataset, two_seeds):
    """The last iteration is over: there is nothing to go on with."""
    layout, straight, recorded, _ = two_seeds
    plan, setup = make_plan(layout), make_setup(dataset, [0, 1])
    late = Recorded()
    late._stop = lambda event: may_stop(event) and late.evaluations[2:] != []
    final = follow(plan, setup, layout, late)
    assert final.progress == straight.progress and late.saved == recorded.saved


def test_a_checkpoint_is_taken_when_the_driver_wants_one(dataset):
    layout = seeds_over_devices(1, jax.devices()[:1])
    plan = tuple(phase._replace(checkpoint_every=0) for phase in make_plan(layout))
    setup, wishes = make_setup(dataset, [0]), [True, False, True, False] + 9 * [False]
    recorded = Recorded(wanted=lambda event: between_dispatches(event) and wishes.pop(0))
    follow(plan, setup, layout, recorded)
    # Iterations have 2, 2, 2, 3, 3 and 3 dispatches. It is asked between them and at the end of iterations,
    # but for 2 and 6, the ends of the phases, which have one anyway; it wants the first and the third one.
    assert recorded.saved == 4 and wishes == []


def numbered(dataset, first, end):
    """Rows whose rewards are their numbers."""
    rows = jax.tree.map(lambda x: np.zeros((end - first, *x.shape[1:]), x.dtype), dataset)
    return rows._replace(reward=np.arange(first, end, dtype=np.float32))


@pytest.mark.parametrize("devices", [1, 2])
def test_rows_go_back_to_their_places_in_rings_that_have_wrapped(dataset, devices):
    layout = seeds_over_devices(2, jax.devices()[:devices])
    plan, setup = make_plan(layout), make_setup(dataset, [0, 1])._replace(capacity=700)
    state = loop.initial(plan, setup, layout)
    parts = loop.portable(state, layout) | {"inserted": np.array([3200, 5])}
    rows = [
        Rows(np.array([0, 0]), [numbered(dataset, 0, 2600), numbered(dataset, 0, 5)]),
        Rows(np.array([2600, 5]), [numbered(dataset, 2600, 3200), numbered(dataset, 5, 5)]),
    ]
    wrong = parts | {"inserted": np.array([3300, 5])}
    for some, given, message in ((rows[1:], parts, "missing between"), (rows, wrong, "and not at")):
        with pytest.raises(ValueError, match=message):
            loop.restored(loop.initial(plan, setup, layout), given, some, setup, layout)
    found = loop.restored(state, parts, rows, setup, layout)
    buffer = layout.merge(found.buffer)
    assert np.asarray(buffer.inserted).tolist() == [3200, 5]
    # 3200 = 4 * 700 + 400: the places before 400 have the last 400 rows, those after the 300 before them
    places = np.concatenate([np.arange(2800, 3200), np.arange(2500, 2800)])
    np.testing.assert_array_equal(buffer.data.reward[0], places)
    np.testing.assert_array_equal(buffer.data.reward[1], [0, 1, 2, 3, 4, *[0] * 695])
    held = loop.replay_snapshot(found, layout)
    assert held.oldest.tolist() == [2500, 0]
    again = held.since(np.array([3100, 3]))
    assert again.first.tolist() == [3100, 3] and again.end.tolist() == [3200, 5]
    np.testing.assert_array_equal(again.data[0].reward, np.arange(3100, 3200))
    np.testing.assert_array_equal(again.data[1].reward, [3, 4])
    np.testing.assert_array_equal(held.since(np.zeros(2, int)).data[0].reward, np.arange(2500, 3200))


def test_another_attempt_draws_other_numbers_and_the_first_the_same(dataset, two_seeds):
    layout, straight, _, _ = two_seeds
    plan, setup = make_plan(layout), make_setup(dataset, [0, 1])
    state = loop.initial(plan, setup, layout)
    state = state._replace(progress=state.progress._replace(attempt=1))
    final = follow(plan, setup, layout, Recorded(), state)
    assert final.progress == straight.progress._replace(attempt=1)
    ours, theirs = (jax.tree.leaves(layout.merge(one.agent)) for one in (final, straight))
    assert any(not np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_a_state_with_bad_numbers_is_no_checkpoint(dataset):
    """The last update of a round can ruin parameters that no metric has looked at yet."""
    layout = seeds_over_devices(2, jax.devices()[:1])

    def ruined(phase):
        def update(state, sources, keys):
            state, metrics = phase.agent.update(state, sources, keys)
            kernel = jax.tree.leaves(state.critic.params)[0]
            bad = jax.tree.map(lambda x: x.at[:, 1].set(np.nan) if x is kernel else x, state)
            return bad, metrics

        return phase._replace(agent=phase.agent._replace(update=update), iterations=1)

    plan, setup, recorded = (ruined(make_plan(layout)[0]),), make_setup(dataset, [4, 7]), Recorded()
    plan = (plan[0]._replace(updates=5),)
    with pytest.raises(NumericsError, match=r"state \.critic\..* is not finite after update 5 of seed 7"):
        follow(plan, setup, layout, recorded)
    assert recorded.saved == 0 and len(recorded.metrics) == 1


def test_a_checkpoint_survives_what_comes_after_it_and_another_number_of_devices(
    dataset, two_seeds, tmp_path
):
    """Taken on two devices, kept while the run goes on for a round, then finished on one device."""
    layout, straight, _, _ = two_seeds
    wide = seeds_over_devices(2, jax.devices())
    plan, setup = make_plan(wide), make_setup(dataset, [0, 1])
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    first = Recorded(checkpoints, 4)
    follow(plan, setup, wide, first)
    assert first.stopped
    checkpoints.close()
    shutil.rmtree(tmp_path / "checkpoints" / "4")
    plan = make_plan(layout)
    assert Checkpoints(tmp_path / "checkpoints").numbers == [3]
    final = go_on(tmp_path / "checkpoints", plan, setup, layout)
    assert final.progress == straight.progress
    ours, theirs = layout.merge(final.agent), layout.merge(straight.agent)
    chex.assert_trees_all_close(jax.device_get(ours), jax.device_get(theirs), rtol=1e-3, atol=1e-5)


def test_nothing_is_compiled_again_after_the_first_rounds_of_a_phase(dataset):
    layout = seeds_over_devices(1, jax.devices()[:1])
    plan, setup, events, rounds = make_plan(layout), make_setup(dataset, [3]), [], []

    def heard(event, duration_secs, **kwargs):
        if event.endswith("backend_compile_duration"):
            events.append(event)

    def mark(event):
        if isinstance(event, loop.IterationEnd):
            rounds.append(len(events))

    jax.monitoring.register_event_duration_secs_listener(heard)
    try:
        follow(plan, setup, layout, Recorded(stop=mark))
    finally:
        jax.monitoring.unregister_event_duration_listener(heard)
    # offline: 2 rounds, the second evaluates first; online: the first episodes end in round 3
    assert len(rounds) == 6 and rounds[0] > 0
    assert rounds[5] == rounds[4]


def test_one_seed_with_its_batch_over_two_devices(dataset):
    layout = batch_over_devices(jax.devices())
    plan, setup, recorded = make_plan(layout, parallel_batch=True), make_setup(dataset, [0]), Recorded()
    final = follow(plan, setup, layout, recorded)
    for leaf in jax.tree.leaves(final.agent):
        first, second = (np.asarray(shard.data[0]) for shard in leaf.addressable_shards)
        np.testing.assert_array_equal(first, second)
    assert final.progress.updates == 64


def test_the_first_bad_number_is_named():
    good, bad = np.zeros((2, 4), np.float32), np.zeros((2, 4), np.float32)
    bad[1, 2] = np.inf
    with pytest.raises(NumericsError, match=r"metric 'critic/td' is inf at update 103 of seed 8"):
        found = {"actor/loss": good, "critic/td": bad}
        metrics.finite(metrics.means(found), found, [7, 8], first=100)
    found = {"actor/loss": good + np.arange(4.0, dtype=np.float32)}
    means = metrics.finite(metrics.means(found), found, [7, 8], first=0)
    np.testing.assert_array_equal(means["actor/loss"], [1.5, 1.5])


def test_what_is_due():
    assert [done for done in range(1, 8) if due(3, done, 7)] == [3, 6, 7]
    assert [done for done in range(1, 8) if due(0, done, 7)] == [7]


def test_no_update_key_is_used_twice(dataset):
    """Over phases, rounds, blocks of one round, and seeds."""
    layout = seeds_over_devices(2, jax.devices()[:1])
    seen = []

    def spied(phase):
        def update(state, sources, keys):
            seen.append(np.asarray(jax.random.key_data(layout.merge(keys))))
            return phase.agent.update(state, sources, keys)

        return phase._replace(agent=phase.agent._replace(update=update))

    plan = tuple(spied(phase) for phase in make_plan(layout))
    setup = make_setup(dataset, [0, 1])
    follow(plan, setup, layout, Recorded())
    keys = np.concatenate(seen)
    assert len(keys) == 2 * (4 + 11)  # two seeds, 20 offline updates in fives, 44 online ones in fours
    assert len(np.unique(keys, axis=0)) == len(keys)


def test_without_offline_rows_updates_wait_for_the_first_episode_and_are_all_paid(dataset):
    layout = seeds_over_devices(2, jax.devices()[:1])
    agent = scan_updates(with_sampling(sac(*make_parts()), mixture.uniform(16)), 4)
    agent = distributed(vmap_seeds(agent, mixture.of_seed), layout, mixture.DEVICE_AXES)
    plan = (Phase("online", agent, 4, 130, 0, 0.05, 4, lambda steps: 0.0, 0, 0, 0),)
    setup, recorded = make_setup(dataset, [0, 1]), Recorded()
    final = follow(plan, setup, layout, recorded)
    # 130 steps a round and row, a time limit of 300: nothing has ended before the third round
    assert recorded.metrics[0][1].env_steps == 3 * 260
    assert final.progress.updates == int(0.05 * 4 * 260) == 52
