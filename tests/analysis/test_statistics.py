"""Estimates over runs, worked by hand."""

import numpy as np
import pytest

from rankq_jax.analysis.statistics import (
    interquartile_mean,
    interquartile_means,
    performance_profile,
    probability_of_improvement,
)


def test_the_interquartile_mean_leaves_out_a_quarter_at_either_end():
    # 8 values: two at either end go, (3 + 4 + 5 + 60) / 4 stays
    scores = np.array([100.0, 1.0, 3.0, 90.0, 4.0, 2.0, 5.0, 60.0])
    assert interquartile_mean(scores).value == pytest.approx(18.0)
    # 4 values: one at either end goes
    assert interquartile_mean(np.array([0.0, 0.2, 0.4, 1.0])).value == pytest.approx(0.3)


def test_the_quarter_is_one_of_all_runs_and_tasks_together():
    # sorted 0 1 2 10 20 30, floor(6 / 4) = 1 at either end: (1 + 2 + 10 + 20) / 4
    assert interquartile_mean(np.array([[0.0, 10.0], [1.0, 20.0], [2.0, 30.0]])).value == pytest.approx(8.25)


def test_three_runs_are_too_few_to_trim_and_their_interval_is_their_range():
    estimate = interquartile_mean(np.array([0.9, 0.3, 0.6]))
    assert estimate.value == pytest.approx(0.6)
    # P(three times the lowest) = 1 / 27 = 3.7 % > 2.5 %, and the same at the top
    assert estimate.low == pytest.approx(0.3) and estimate.high == pytest.approx(0.9)


def test_the_interval_of_equal_runs_is_a_point():
    np.testing.assert_allclose(interquartile_mean(np.full(5, 0.97)), 0.97)
    np.testing.assert_allclose(probability_of_improvement(np.full(3, 0.5), np.full(4, 0.5)), 0.5)


def test_runs_are_drawn_within_their_task():
    """Task 0 is always 0 and task 1 always 1: every resample is the table itself, with the mean 1/2.

    Were values drawn across tasks, six draws of 0 or 1 would seldom be three of each.
    """
    table = np.array([[0.0, 1.0]] * 3)
    np.testing.assert_allclose(interquartile_mean(table), 0.5)
    np.testing.assert_allclose(probability_of_improvement(table, table[:, ::-1]), 0.5)


def test_the_tasks_of_a_run_are_drawn_apart():
    """Runs (0, 1) and (1, 0): all four draws are 0 once in 16, which is 6.3 % and more than 2.5 %.

    Were whole runs drawn, every resample would hold two zeros and two ones, and the interval were a point.
    """
    estimate = interquartile_mean(np.array([[0.0, 1.0], [1.0, 0.0]]))
    assert tuple(estimate) == (0.5, 0.0, 1.0)  # one of four is left out at either end


def test_the_probability_of_improvement_counts_pairs_and_halves_ties():
    # pairs (x, y): 3 > 1, 3 > 2, 3 = 3 | 2 > 1, 2 = 2, 2 < 3: (1 + 1 + 1/2 + 1 + 1/2 + 0) / 6
    estimate = probability_of_improvement(np.array([3.0, 2.0]), np.array([1.0, 2.0, 3.0]))
    assert estimate.value == pytest.approx(4 / 6)
    assert 0.0 <= estimate.low < estimate.value < estimate.high <= 1.0


def test_the_probability_of_improvement_is_a_mean_over_tasks():
    # task 0 always better, task 1 always equal: (1 + 1/2) / 2, however the runs are drawn
    better, other = np.array([[2.0, 5.0], [3.0, 5.0]]), np.array([[0.0, 5.0], [1.0, 5.0]])
    np.testing.assert_allclose(probability_of_improvement(better, other), 0.75)
    np.testing.assert_allclose(probability_of_improvement(other, better), 0.25)


def test_estimates_repeat_and_leave_the_global_generator_alone():
    scores, other = np.array([0.1, 0.4, 0.5, 0.8, 0.9]), np.array([0.2, 0.3, 0.6, 0.7])
    np.random.seed(12)  # noqa: NPY002
    expected = np.random.random(3)  # noqa: NPY002
    np.random.seed(12)  # noqa: NPY002
    first = interquartile_mean(scores), probability_of_improvement(scores, other)
    np.testing.assert_array_equal(np.random.random(3), expected)  # noqa: NPY002
    assert (interquartile_mean(scores), probability_of_improvement(scores, other)) == first


@pytest.mark.parametrize("scores", [np.array([]), np.array([0.5, np.nan]), np.zeros((2, 2, 2))])
def test_scores_that_are_none(scores):
    with pytest.raises(ValueError, match="scores must be"):
        interquartile_mean(scores)


def test_different_numbers_of_tasks():
    with pytest.raises(ValueError, match="1 and 2 tasks"):
        probability_of_improvement(np.zeros(3), np.zeros((3, 2)))


def test_the_means_of_a_curve_are_those_of_its_points():
    # 5 runs, one left out at either end: (1 + 2 + 3) / 3, and (4 + 5 + 6) / 3
    scores = np.array([[0.0, 9.0], [3.0, 4.0], [1.0, 6.0], [2.0, 5.0], [100.0, -50.0]])
    band = interquartile_means(scores)
    np.testing.assert_allclose(band.value, [2.0, 5.0])
    for point in (0, 1):
        np.testing.assert_allclose([x[point] for x in band], interquartile_mean(scores[:, point]))


def test_three_runs_of_a_curve_reach_from_end_to_end_at_every_point():
    band = interquartile_means(np.array([[0.1, 0.9], [0.4, 0.3], [0.7, 0.6]]))
    np.testing.assert_allclose(band, [[0.4, 0.6], [0.1, 0.3], [0.7, 0.9]])


def test_runs_that_have_not_come_so_far_are_left_out_of_a_point():
    missing = np.nan
    scores = np.array([[0.2, missing, 0.5], [0.6, 0.4, missing], [0.7, 0.8, missing]])
    band = interquartile_means(scores)
    np.testing.assert_allclose(band.value, [0.5, 0.6, 0.5])
    np.testing.assert_allclose(band.low, [0.2, 0.4, 0.5])
    np.testing.assert_allclose(band.high, [0.7, 0.8, 0.5])


@pytest.mark.parametrize(
    "scores", [np.zeros((0, 2)), np.zeros((2, 0)), np.zeros(3), np.array([[1.0, np.nan], [1.0, np.nan]])]
)
def test_curves_without_a_score_at_a_point(scores):
    with pytest.raises(ValueError, match="finite one at every point"):
        interquartile_means(scores)


def test_a_profile_counts_the_runs_above_each_threshold():
    scores = np.array([[0.2, 0.4], [0.4, 0.9]])  # above 0.2: three of four; a run at the threshold is not
    profile = performance_profile(scores, np.array([0.0, 0.2, 0.3, 0.4, 0.9, 1.0]))
    np.testing.assert_allclose(profile.value, [1, 0.75, 0.75, 0.25, 0, 0])
    np.testing.assert_allclose(performance_profile(np.array([1.0, 0.0, 0.0]), np.array([0.5])).value, [1 / 3])


def test_the_band_of_a_profile_resamples_runs_within_their_task():
    # both of two runs above in one resample of four, none in another: more than 2.5 % at either end
    np.testing.assert_allclose(performance_profile(np.array([0.0, 1.0]), np.array([0.5])), [[0.5], [0], [1]])
    table = np.array([[0.0, 1.0]] * 3)  # every resample is the table itself
    np.testing.assert_allclose(performance_profile(table, np.array([0.5])), [[0.5], [0.5], [0.5]])


def test_a_profile_of_no_scores():
    with pytest.raises(ValueError, match="scores must be"):
        performance_profile(np.array([0.5, np.nan]), np.array([0.5]))
