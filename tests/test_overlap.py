"""Collecting while the devices update: what it changes, and what it must not."""

import chex
import jax
import numpy as np
import pytest

from rankq_jax.checkpoints import Checkpoints
from rankq_jax.parallel import seeds_over_devices
from tests.loop_setting import Recorded, dataset, follow, go_on, make_plan, make_setup

__all__ = ["dataset"]  # a fixture


def execute(dataset, overlap, acting=None, **how):
    layout = seeds_over_devices(2, jax.devices()[:1])
    plan, recorded = make_plan(layout, overlap=overlap), Recorded()
    setup = make_setup(dataset, [0, 1])._replace(acting=acting)
    return follow(plan, setup, layout, recorded, **how), recorded


@pytest.fixture(scope="module")
def overlapping(dataset):
    return execute(dataset, True)


def assert_same(one, other):
    (final, recorded), (final_too, recorded_too) = one, other
    chex.assert_trees_all_equal(jax.device_get(final), jax.device_get(final_too))
    assert len(recorded.metrics) == len(recorded_too.metrics) > 0
    for (_, ours, values), (_, theirs, values_too) in zip(
        recorded.metrics, recorded_too.metrics, strict=True
    ):
        assert ours == theirs
        chex.assert_trees_all_equal(values, values_too)


def test_overlapping_changes_when_the_work_is_done_and_not_what_comes_out(dataset, overlapping):
    """The same staleness, once at the same time and once one after the other: bit for bit."""
    assert_same(overlapping, execute(dataset, True, concurrently=False))


def test_acting_on_another_device_gives_the_same(dataset, overlapping):
    assert_same(overlapping, execute(dataset, True, acting=jax.devices()[1]))


def test_updates_of_an_overlapping_round_do_not_see_what_it_collects(dataset, overlapping):
    """Of the first rounds nothing is different: no episode has ended before the third."""
    (stale, recorded), (fresh, recorded_fresh) = overlapping, execute(dataset, False)
    assert stale.progress == fresh.progress  # the same steps and the same number of updates
    # 260 steps a round and seed; 2 dispatches in the first one, 3 in the others
    assert [p.env_steps for phase, p, _ in recorded.metrics if phase == "online"][:6] == [
        260, 260, 520, 520, 520, 780,
    ]  # fmt: skip
    ours = [values["critic/td"] for phase, _, values in recorded.metrics if phase == "online"]
    theirs = [values["critic/td"] for phase, _, values in recorded_fresh.metrics if phase == "online"]
    np.testing.assert_array_equal(ours[:5], theirs[:5])
    assert not np.array_equal(ours[5], theirs[5])  # the episodes that end in the third round are missing
    assert int(jax.device_get(stale.buffer.inserted).sum()) > 0


@pytest.mark.parametrize("stop_after", [3, 5])
def test_an_overlapping_run_resumes_exactly(dataset, overlapping, tmp_path, stop_after):
    layout = seeds_over_devices(2, jax.devices()[:1])
    plan, setup = make_plan(layout, overlap=True), make_setup(dataset, [0, 1])
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    recorded = Recorded(checkpoints, stop_after)
    follow(plan, setup, layout, recorded)
    assert recorded.stopped
    checkpoints.close()
    final = go_on(tmp_path / "checkpoints", plan, setup, layout)
    chex.assert_trees_all_equal(jax.device_get(final), jax.device_get(overlapping[0]))
