from collections import deque

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankq_jax.data import buffer as ring
from rankq_jax.data.mixture import Sources, merged, offline_rows, uniform
from tests.conftest import make_batch

CAPACITY, BLOCK = 7, 4
add = jax.jit(ring.add)


def numbered(first, count):
    """A block whose rewards are first, first + 1, ...; the rows after `count` are padding (-1)."""
    rows = make_batch(rows=BLOCK)
    reward = np.where(np.arange(BLOCK) < count, first + np.arange(BLOCK), -1.0).astype(np.float32)
    return rows._replace(reward=reward)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, BLOCK), max_size=8))
def test_the_ring_holds_what_a_bounded_queue_holds(counts):
    buffer = ring.init(make_batch(), CAPACITY)
    model, written = deque(maxlen=CAPACITY), 0
    for count in counts:
        buffer = add(buffer, numbered(written, count), count)
        model.extend(range(written, written + count))
        written += count
    assert int(ring.size(buffer)) == len(model)
    assert int(buffer.inserted) == written
    held = np.asarray(buffer.data.reward)[: len(model)]
    np.testing.assert_array_equal(np.sort(held), sorted(model))


def test_a_block_larger_than_the_buffer_is_refused():
    with pytest.raises(ValueError, match="do not fit"):
        ring.add(ring.init(make_batch(), 3), numbered(0, 4), 4)
    with pytest.raises(ValueError, match="at least one"):
        ring.init(make_batch(), 0)


def sources(ratio, inserted, recorded=10):
    """Offline rewards are below 0, online ones above."""
    offline = jax.tree.map(jnp.asarray, make_batch(rows=recorded))
    offline = offline._replace(reward=-1.0 - jnp.arange(recorded, dtype=jnp.float32))
    online = ring.init(make_batch(), CAPACITY)
    for start in range(0, inserted, BLOCK):
        count = min(BLOCK, inserted - start)
        online = add(online, numbered(start + 1, count), count)
    return Sources(offline, online, jnp.float32(ratio), labels={})


@pytest.mark.parametrize(
    ("ratio", "inserted", "expected"),
    [
        (0.5, 5, 128),
        (0.25, 5, 64),
        (0.0, 5, 0),
        (1.0, 5, 256),
        (0.5, 0, 256),  # nothing recorded online yet
        (-1.0, 5, 170),  # floor(256 * 10 / 15)
        (-1.0, 30, 64),  # counted by what was ever inserted: floor(256 * 10 / 40)
    ],
)
def test_the_share_of_offline_rows(ratio, inserted, expected):
    assert int(offline_rows(sources(ratio, inserted), 256)) == expected


def test_rows_come_from_where_they_should(key):
    batch = uniform(256)(sources(0.5, 6), key)
    reward = np.asarray(batch.reward)
    assert (reward[:128] < 0).all() and (reward[128:] > 0).all()  # offline rows first
    assert set(reward[:128]) == set(-1.0 - np.arange(10))
    assert set(reward[128:]) == set(1.0 + np.arange(6))  # every held row, and no empty one


def test_sampling_is_uniform(key):
    draw = jax.jit(jax.vmap(uniform(64), in_axes=(None, 0)))
    reward = np.asarray(draw(sources(1.0, 3), jax.random.split(key, 400)).reward).ravel()
    counts = np.unique(reward, return_counts=True)[1]
    # 25,600 draws of 10 rows: a standard deviation is 48
    assert np.abs(counts - 2560).max() < 5 * 48


def test_all_leaves_of_a_row_stay_together(key):
    one = sources(0.5, 6)
    batch = uniform(32)(one, key)
    for i in range(16):
        row = int(-1 - batch.reward[i])
        np.testing.assert_array_equal(batch.observation[i], one.offline.observation[row])
        np.testing.assert_array_equal(batch.extras["mc_return"][i], one.offline.extras["mc_return"][row])


def test_of_one_merged_buffer_every_row_is_as_likely(key):
    """The published codes of IQL and AWAC draw from dataset and online rows as from one buffer."""
    draw = jax.jit(jax.vmap(merged(64), in_axes=(None, 0)))
    reward = np.asarray(draw(sources(-1.0, 6), jax.random.split(key, 400)).reward)
    values, counts = np.unique(reward, return_counts=True)
    assert set(values) == {*(-1.0 - np.arange(10)), *(1.0 + np.arange(6))}
    # 25,600 draws of 16 rows: 1600 each, a standard deviation is sqrt(1600 * 15 / 16) = 39
    assert np.abs(counts - 1600).max() < 5 * 39


@pytest.mark.parametrize(("recorded", "inserted"), [(10, 6), (1000, 1), (3, 7), (10, 30)])
def test_how_many_online_rows_a_batch_has_is_binomial(key, recorded, inserted):
    batch, batches, held = 256, 500, min(inserted, CAPACITY)
    draw = jax.jit(jax.vmap(merged(batch), in_axes=(None, 0)))
    online = (
        np.asarray(draw(sources(-1.0, inserted, recorded), jax.random.split(key, batches)).reward) > 0
    ).sum(1)
    chance = held / (recorded + held)
    deviation = np.sqrt(batch * chance * (1 - chance))
    assert abs(online.mean() - batch * chance) < 5 * deviation / np.sqrt(batches)
    # The variance of a sample variance is near 2 / batches, and more by the kurtosis of rare rows.
    kurtosis = 2 + (1 - 6 * chance * (1 - chance)) / deviation**2
    assert abs(online.var() / deviation**2 - 1) < 5 * np.sqrt(kurtosis / batches)


def test_one_merged_buffer_is_the_dataset_until_something_is_added(key):
    assert (np.asarray(merged(256)(sources(-1.0, 0), key).reward) < 0).all()


def test_rows_of_one_merged_buffer_stay_together(key):
    one = sources(-1.0, 6)
    batch = merged(64)(one, key)
    for i in range(64):
        offline = batch.reward[i] < 0
        source, row = (
            (one.offline, -1 - batch.reward[i]) if offline else (one.online.data, batch.reward[i] - 1)
        )
        np.testing.assert_array_equal(batch.observation[i], source.observation[int(row)])
