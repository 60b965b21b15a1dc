import jax
import jax.numpy as jnp
import numpy as np

from rankq_jax.action_sets import next_of_group, perturbed


def test_perturbed_actions(key):
    action = jax.random.uniform(jax.random.key(0), (4000, 2), minval=-1.0, maxval=1.0)
    sets = perturbed(0.15)(key, action)
    assert set(sets) == {"noisy", "very_noisy", "random", "permuted"}
    noise = sets["noisy"] - action
    np.testing.assert_allclose(sets["very_noisy"] - action, 2.0 * noise, atol=1e-6)  # the same draw
    np.testing.assert_allclose(jnp.std(noise), 0.15, rtol=0.05)
    assert jnp.max(jnp.abs(sets["noisy"])) > 1.0  # not clipped
    np.testing.assert_array_equal(sets["permuted"][0], action[1])  # row i holds the action of row i + 1
    np.testing.assert_array_equal(sets["permuted"][-1], action[0])
    assert -1.0 <= float(sets["random"].min()) < -0.99 and 0.99 < float(sets["random"].max()) <= 1.0


def test_chunks_of_actions_keep_their_shape(key):
    sets = perturbed(0.15)(key, jnp.zeros((3, 4, 2)))
    assert {value.shape for value in sets.values()} == {(3, 4, 2)}


def test_a_permuted_action_is_that_of_the_next_row_of_the_same_group(key):
    group = np.array([[3, 1], [0, 2], [3, 1], [5, 5], [0, 2], [3, 1], [0, 3]], np.int32)
    following = [2, 4, 5, 3, 1, 0, 6]  # the rows 3 and 6 are alone
    np.testing.assert_array_equal(jax.jit(next_of_group)(group), following)
    action = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
    permuted = perturbed(0.15)(key, jnp.asarray(action), jnp.asarray(group))["permuted"]
    np.testing.assert_array_equal(permuted, action[following])


def test_one_group_is_the_cyclic_shift(key):
    action = jnp.asarray(np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32))
    one, all_rows = (perturbed(0.15)(key, action, group) for group in (jnp.ones((7, 3), jnp.int32), None))
    for name in all_rows:
        np.testing.assert_array_equal(one[name], all_rows[name])
