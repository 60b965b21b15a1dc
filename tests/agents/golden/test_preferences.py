"""The questions of OAP (arXiv 2306.03362, secs. 3.1 and 3.2, Alg. 1): what to ask, what to keep."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rankq_jax.losses import ranknet_cross_entropy
from rankq_jax.preferences import Ranker, by_value, labeler, most_divergent
from rankq_jax.preferences.queries import budget
from rankq_jax.preferences.ranker import Fit
from tests.agents.golden.setting import KEY, assert_near
from tests.conftest import make_batch

KEYS = jax.random.split(KEY, 2)  # two seeds
labeling = importlib.import_module("rankq_jax.preferences.labeler")


def test_the_cost_of_an_answer_by_hand():
    """`C = -Pbar log P - (1 - Pbar) log(1 - P)` with `P = e^o / (1 + e^o)`."""
    o = np.array([-2.0, -0.5, 0.0, 0.5, 3.0])
    p = np.exp(o) / (1.0 + np.exp(o))
    for first_won in (1.0, 0.0):
        cost = -first_won * np.log(p) - (1.0 - first_won) * np.log(1.0 - p)
        assert_near(ranknet_cross_entropy(jnp.asarray(o), jnp.full(5, first_won)), cost)


def test_large_differences_cost_their_size_or_nothing():
    """Half of these answers are right and cost nothing, the others cost |o|; the slope is `P - Pbar`."""
    o, won = jnp.array([1000.0, -1000.0, 1000.0, -1000.0]), jnp.array([1.0, 0.0, 0.0, 1.0])
    cost, slope = jax.jit(
        jax.vmap(jax.value_and_grad(lambda o, w: ranknet_cross_entropy(o[None], w[None])[0]))
    )(o, won)
    np.testing.assert_array_equal(cost, [0.0, 0.0, 1000.0, 1000.0])
    np.testing.assert_array_equal(slope, [0.0, 0.0, 1.0, -1.0])


def test_the_rows_farthest_from_the_policy_are_asked_about_first():
    """Squared distances 1, 4, 4, 0.5, 9, 4; the last two were asked before. Equal ones keep their order."""
    proposed = np.array([[1.0, 0.0], [0.0, 2.0], [2.0, 0.0], [0.5, 0.5], [3.0, 0.0], [0.0, -2.0]])
    asked = np.array([False, False, False, False, True, True])
    recorded = np.zeros((6, 2))
    order = [1, 2, 0, 3, 4, 5]  # never asked first, however close
    for count in (1, 3, 6):
        np.testing.assert_array_equal(most_divergent(recorded, proposed, asked, count), order[:count])
    np.testing.assert_array_equal(most_divergent(recorded, proposed, ~asked, 3), [4, 5, 1])
    np.testing.assert_array_equal(most_divergent(proposed, recorded, asked & False, 2), [4, 1])


def test_each_round_has_its_share_of_the_questions():
    assert budget(100_000, 100_000, 1_000_000) == 10_000  # K M / N of table 5
    assert budget(10, 3, 7) == 4  # 30 / 7, rounded down


def test_an_expert_prefers_the_action_of_higher_value():
    ask = by_value(lambda observation, action: -jnp.sum((action - observation) ** 2, axis=-1))
    state = np.float32([[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    first, second = (
        np.float32([[0.1, 0.0], [0.0, 0.0], [0.5, 0.0]]),
        np.float32([[0.2, 0.0]] * 2 + [[0.0, 0.5]]),
    )
    np.testing.assert_array_equal(ask(state, first, second), [True, False, True])  # a tie: the first


def six_rows():
    """Recorded actions (i / 10, 0). The expert likes those of even rows, the stub of a ranker the others."""
    i = np.arange(6)
    observation = np.stack([np.where(i % 2 == 0, 1.0, -1.0), i, i], axis=1).astype(np.float32)
    action = np.stack([i / 10, 0.0 * i], axis=1).astype(np.float32)
    return make_batch(0, 6)._replace(observation=observation, action=action)


def expert(observation, first, second):
    return observation[:, 0] > 0.0


def stub():
    """A ranker that counts its fits, and the list of all that it was told."""
    told = []

    def fit(params, answers, capacity, key):
        told.append((answers, capacity))
        return Fit(params + 1.0, 3, 0.5, 0.75)

    return Ranker(lambda key, o, a: jnp.zeros(()), fit, lambda params, o, a, b: o[:, 0] < 0.0), told


def mode(params, observation, keys, number):
    """Every seed does one thing everywhere."""
    assert observation.shape[0] == len(keys) == len(params)
    return np.broadcast_to(params[:, None], (*observation.shape[:2], 2))


RIGHT, LEFT = np.float32([1.0, 0.0]), np.float32([-1.0, 0.0])


def rounds_of(made, data, *policies):
    """What is known after each round, for two seeds that do opposite things."""
    known, results = made.init(KEYS, data), []
    np.testing.assert_array_equal(made.columns(known)["preferred_action"], [data.action] * 2)
    for policy in policies:
        known, metrics = made.relabel(known, mode, np.stack([policy, -policy]), data, KEYS)
        results.append((known, metrics))
    return results


def test_asked_rows_keep_their_answer_and_the_action_proposed_then():
    """To the right the rows 0 and 1 are farthest, to the left 5 and 4, and then only 2 and 3 are unasked."""
    data, (learner, told) = six_rows(), stub()
    a = data.action
    made = labeler(expert, learner, questions=2, rounds=(1, 2, 3, 4))
    results = rounds_of(made, data, RIGHT, LEFT, LEFT, RIGHT)
    expected = [
        # asked 0 (won) and 1 (lost); the ranker likes the odd ones among the others
        [a[0], RIGHT, RIGHT, a[3], RIGHT, a[5]],
        # asked 5 (lost) and 4 (won); row 1 stays with the action of the first round
        [a[0], RIGHT, LEFT, a[3], a[4], LEFT],
        [a[0], RIGHT, a[2], LEFT, a[4], LEFT],  # asked 3 (lost) and 2 (won)
        [a[0], RIGHT, a[2], LEFT, a[4], LEFT],  # all were asked: 0 and 1 again, with the same answers
    ]
    asked = [[0, 1], [0, 1, 4, 5], [0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5]]
    for (known, metrics), rows, of_round in zip(results, expected, asked, strict=True):
        np.testing.assert_array_equal(made.columns(known)["preferred_action"][0], rows)
        np.testing.assert_array_equal(np.flatnonzero(known.asked[0]), of_round)
        np.testing.assert_array_equal(metrics["preferences/queries"], [len(of_round)] * 2)
        np.testing.assert_array_equal(metrics["preferences/recorded_won"], [0.5, 0.5])
    # the other seed goes to the left first: rows 5 (lost) and 4 (won), and the ranker decides the others
    np.testing.assert_array_equal(results[0][0].preferred[1], [LEFT, a[1], LEFT, a[3], a[4], LEFT])
    np.testing.assert_array_equal(results[-1][0].ranker, [4.0, 4.0])  # each fit goes on from the last
    answers, capacity = told[2]  # of the first seed in the second round: rows 0, 1, 4, 5 as they were asked
    assert capacity == 6
    np.testing.assert_array_equal(answers.first, a[[0, 1, 4, 5]])
    np.testing.assert_array_equal(answers.second, [RIGHT, RIGHT, LEFT, LEFT])
    np.testing.assert_array_equal(answers.first_won, [True, False, True, False])
    # whether a row trains the ranker or judges it is settled before the first question
    np.testing.assert_array_equal(answers.held_out, results[0][0].held_out[0][[0, 1, 4, 5]])
    for known, _ in results[1:]:
        np.testing.assert_array_equal(known.held_out, results[0][0].held_out)


def test_without_a_ranker_unasked_rows_keep_the_recorded_action():
    data = six_rows()
    made = labeler(expert, None, questions=2, rounds=(1, 2))
    (first, _), (second, _) = rounds_of(made, data, RIGHT, LEFT)
    a = data.action
    np.testing.assert_array_equal(first.preferred[0], [a[0], RIGHT, *a[2:]])
    np.testing.assert_array_equal(second.preferred[0], [a[0], RIGHT, a[2], a[3], a[4], LEFT])


def test_unlimited_questions_are_asked_about_every_row_and_the_present_policy():
    data, a = six_rows(), six_rows().action
    made = labeler(expert, None, questions=0, rounds=(1, 2))
    for (known, _), policy in zip(rounds_of(made, data, RIGHT, LEFT), (RIGHT, LEFT), strict=True):
        np.testing.assert_array_equal(known.preferred[0], [a[0], policy, a[2], policy, a[4], policy])


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_share_of_the_answers_is_turned_round(share):
    """Of 2000 answers, about half in favour of the recorded action; 0.01 is about one deviation."""
    data = make_batch(0, 2000)
    made = labeler(expert, None, questions=0, rounds=(1,), flipped=share)
    known, metrics = rounds_of(made, data, 2 * RIGHT)[0]  # nothing recorded lies there
    kept = (known.preferred == data.action).all(axis=2)
    wins = data.observation[:, 0] > 0.0
    turned = kept != wins
    for of_answer in (wins, ~wins):  # either way
        found = turned[:, of_answer].mean(axis=1)
        np.testing.assert_allclose(found, share, atol=0.06 if 0.0 < share < 1.0 else 0.0)
    np.testing.assert_allclose(metrics["preferences/recorded_won"], kept.mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(known.held_out.mean(axis=1), 0.1, atol=0.03)
    assert (known.held_out[0] != known.held_out[1]).any()
    assert (turned[0] != turned[1]).any() == (0.0 < share < 1.0)  # each seed has its own


@pytest.mark.parametrize(("rows", "slices"), [(10, 3), (8, 2), (3, 1)])
def test_a_dataset_goes_through_in_slices_of_one_shape(monkeypatch, rows, slices):
    monkeypatch.setattr(labeling, "CHUNK", 4)
    seen = []

    def function(x, y, number):
        seen.append((len(x), number))
        return x + 10 * y

    x = np.arange(rows)
    np.testing.assert_array_equal(labeling.in_chunks(function, rows, x, x % 3), x + 10 * (x % 3))
    assert seen == [(min(4, rows), number) for number in range(slices)]
