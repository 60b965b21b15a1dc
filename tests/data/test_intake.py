import numpy as np

from rankq_jax.data.intake import blocks
from rankq_jax.data.prepare import RewardTransform, prepare
from tests.data.test_prepare import episode

TRANSFORM = RewardTransform(1.0, -1.0, 0.0)


def label(episodes):
    return prepare(episodes, TRANSFORM, 0.9)


def test_episodes_of_uneven_seeds_in_blocks_shorter_than_an_episode():
    ended = [
        (1, episode(np.arange(8), "terminated", success=[6])),  # 7 steps of seed 1
        (0, episode([50, 51, 52])),  # 2 steps of seed 0
        (1, episode([90, 91])),  # 1 more step of seed 1
    ]
    like = label(ended[0][1])
    written = {0: [], 1: [], 2: []}
    shapes = set()
    for block, counts in blocks(ended, 3, label, like, capacity=3):
        shapes.add(block.observation.shape)
        for seed in range(3):
            written[seed] += block.observation[seed, : counts[seed], 0].tolist()
    assert shapes == {(3, 3, 1)}  # one shape, whatever is left
    assert written == {0: [50, 51], 1: [0, 1, 2, 3, 4, 5, 6, 90], 2: []}


def test_labels_are_those_of_whole_episodes_although_a_block_cuts_them():
    win = episode(np.arange(6), "terminated", success=[4])
    rows = list(blocks([(0, win)], 1, label, label(win), capacity=2))
    returns = np.concatenate([b.extras["mc_return"][0, : c[0]] for b, c in rows])
    expected = [-sum(0.9**k for k in range(4 - t)) for t in range(5)]  # -1 a step, 0 at the goal
    np.testing.assert_allclose(returns, expected, rtol=1e-6)
    success = np.concatenate([b.extras["success"][0, : c[0]] for b, c in rows])
    np.testing.assert_array_equal(success, np.ones(5))


def test_nothing_ended():
    assert list(blocks([], 2, label, label(episode([0, 1])), capacity=3)) == []
