"""Environments that encode what they see: the contract, and what is encoded when."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rankq_jax.envs.encoding import BLOCK, encoded_env, encoding
from rankq_jax.envs.streams import streams
from rankq_jax.errors import InputError
from rankq_jax.tasks.encoded import encoded
from rankq_jax.testing import environments
from tests.image_tasks import BOTH, SIZE

WEIGHTS = np.random.default_rng(0).normal(size=(SIZE * SIZE * 3, 5)).astype(np.float32)


def encode(params, observation):
    flat = observation["image"].reshape(-1, SIZE * SIZE * 3).astype(jnp.float32) / 255.0
    return {"h": jnp.tanh(flat @ params).astype(jnp.float16), "proprio": observation["proprio"]}


LOOK = encoding(encode, WEIGHTS)


def test_the_contract_holds():
    environments.check_environment(encoded(BOTH, LOOK))


def test_features_are_those_of_the_environment_behind():
    """Of every row, while some rest and after episodes have ended; images are kept behind them."""
    plain, seen = BOTH.environment(3, 1), encoded(BOTH, LOOK).environment(3, 1)
    assert {name: str(leaf.dtype) for name, leaf in seen.spec.observation.items()} == {
        "h": "float16",
        "proprio": "float32",
    }
    random = np.random.default_rng(1)
    state, other = plain.reset(streams(2, 3)), seen.reset(streams(2, 3))
    for index in range(plain.horizon + 2):
        active = np.array([True, index % 2 == 0, True])
        action = random.uniform(-1, 1, (3, 2))
        found, image = other.observation, state.observation
        flat = image["image"].reshape(3, -1).astype(np.float32) / 255.0
        np.testing.assert_allclose(found["h"], np.tanh(flat @ WEIGHTS), atol=2e-3)
        np.testing.assert_array_equal(found["proprio"], image["proprio"].astype(np.float32))
        np.testing.assert_array_equal(other.simulator.observation["image"], state.observation["image"])
        state, step = plain.step(state, action, active)
        other, made = seen.step(other, action, active)
        flat = step.next_observation["image"].reshape(3, -1).astype(np.float32) / 255.0
        np.testing.assert_allclose(
            made.next_observation["h"][active], np.tanh(flat @ WEIGHTS)[active], atol=2e-3
        )
        np.testing.assert_array_equal(made.truncated, step.truncated)
    assert state.episode.max() > 1


def test_a_row_is_encoded_once_for_each_step():
    rows = []

    def counted(observation):
        rows.append(len(observation["image"]))
        return LOOK.rows(observation)

    env = encoded_env(BOTH.environment(3, 1), LOOK._replace(rows=counted))
    state = env.reset(streams(0, 3))
    state, _ = env.step(state, np.zeros((3, 2)), np.ones(3, bool))
    state, _ = env.step(state, np.zeros((3, 2)), np.array([False, True, False]))
    assert rows == [3, 3, 1]
    state = state._replace(step=np.array([0, env.horizon - 1, 0], np.int32))
    env.step(state, np.zeros((3, 2)), np.ones(3, bool))
    assert rows[3:] == [3, 1]  # and the first observation of the next episode


def test_blocks_do_not_show():
    """Rows in any number and order are encoded bit for bit as each by itself; none is nothing."""
    random = np.random.default_rng(3)
    rows = 2 * BLOCK + 3
    observation = {
        "image": random.integers(0, 256, (rows, SIZE, SIZE, 3), np.uint8),
        "proprio": random.normal(size=(rows, 2)).astype(np.float32),
    }
    whole, order = LOOK.rows(observation), random.permutation(rows)
    mixed = LOOK.rows(jax.tree.map(lambda leaf: leaf[order], observation))
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[order], b), whole, mixed)
    for row in (0, BLOCK, rows - 1):
        alone = LOOK.rows(jax.tree.map(lambda leaf, r=row: leaf[r : r + 1], observation))
        np.testing.assert_array_equal(alone["h"][0], whole["h"][row])
    nothing = LOOK.rows(jax.tree.map(lambda leaf: leaf[:0], observation))
    assert nothing["h"].shape == (0, 5) and nothing["h"].dtype == np.float16


def test_features_beyond_half_precision_are_refused():
    large = encoding(lambda params, x: {"h": (params * x["h"]).astype(jnp.float16)}, np.float32(1e4))
    np.testing.assert_array_equal(large.rows({"h": np.ones((1, 2), np.float32)})["h"], 1e4)
    with pytest.raises(InputError, match="half precision cannot hold"):
        large.rows({"h": np.full((1, 2), 10.0, np.float32)})
