import numpy as np
import pytest

from mien.errors import InputError
from mien.evaluation.selective import (
    LEAST_ANSWERS,
    NOTED_COVERAGES,
    coverage_points,
    fit_threshold,
    fit_thresholds,
)


def certain(*pairs):
    """Confidences and whether each was right, from (confidence, right) pairs."""
    return np.array([c for c, _ in pairs]), np.array([bool(r) for _, r in pairs])


def brute_force(confidence, correct, target, least_coverage):
    """Every threshold tried one by one, as the definition says."""
    allowed = [t for t in np.unique(confidence) if (confidence >= t).mean() >= least_coverage]
    good = [t for t in allowed if correct[confidence >= t].mean() >= target]
    if not good:
        return max(allowed)
    return 0.0 if min(good) == confidence.min() else min(good)


def test_the_threshold_is_the_smallest_that_reaches_the_target():
    confidence, correct = certain((0.9, 1), (0.8, 1), (0.7, 1), (0.6, 0), (0.5, 1), (0.4, 0))
    # With 0.5: 4 of 5 right; with all: 4 of 6; with 0.6: 3 of 4.
    assert fit_threshold(confidence, correct, target=0.8, least_coverage=0.3) == 0.5
    assert fit_threshold(confidence, correct, target=0.9, least_coverage=0.3) == 0.7


def test_nobody_is_unsure_where_all_answers_together_reach_the_target():
    confidence, correct = certain((0.9, 1), (0.2, 1), (0.4, 1))
    assert fit_threshold(confidence, correct) == 0.0


def test_coverage_decides_where_the_target_would_silence_too_many():
    confidence, correct = certain(*[(0.9 - i / 100, i % 2) for i in range(10)])
    threshold = fit_threshold(confidence, correct, target=0.99, least_coverage=0.8)
    assert threshold == pytest.approx(0.83)
    assert (confidence >= threshold).mean() == 0.8


def test_equal_confidences_stay_together():
    confidence, correct = certain((0.9, 1), (0.5, 1), (0.5, 0), (0.5, 0), (0.1, 0))
    assert fit_threshold(confidence, correct, target=1.0, least_coverage=0.3) == 0.5
    assert fit_threshold(confidence, correct, target=1.0, least_coverage=0.2) == 0.9


@pytest.mark.parametrize("seed", range(20))
def test_it_agrees_with_trying_every_threshold(seed):
    rng = np.random.default_rng(seed)
    confidence = rng.integers(1, 40, 120) / 40
    correct = rng.random(120) < confidence
    target, least = rng.uniform(0.4, 1), rng.uniform(0.1, 1)
    found = fit_threshold(confidence, correct, target, least)
    assert found == brute_force(confidence, correct, target, least)


def test_each_answer_has_a_threshold_of_its_own_and_rare_ones_that_of_all():
    rng = np.random.default_rng(0)
    often, doubtful, rare = 400, 300, LEAST_ANSWERS - 1
    answers = np.repeat([0, 1, 2], [often, doubtful, rare])
    confidence = rng.uniform(0.3, 1, len(answers))
    correct = np.ones(len(answers), bool)  # whoever says 0 is always right
    correct[answers > 0] = rng.random(doubtful + rare) < confidence[answers > 0]
    found = fit_thresholds(confidence, answers, correct, num_labels=4)
    said_1 = answers == 1
    assert found == (
        0.0,
        fit_threshold(confidence[said_1], correct[said_1]),
        fit_threshold(confidence, correct),
        fit_threshold(confidence, correct),  # never said
    )
    assert found[1] > found[2] > 0


def test_answers_and_confidences_must_be_as_many():
    with pytest.raises(InputError, match=r"\(2,\) confidences and \(1,\) answers"):
        fit_thresholds(np.array([0.5, 0.6]), np.array([0]), np.array([True, True]), 2)


def test_the_points_are_the_error_rates_of_the_surest():
    confidence, correct = certain(*[((20 - i) / 20, i < 15) for i in range(20)])
    points = coverage_points(confidence, correct)
    assert [point["coverage"] for point in points] == list(NOTED_COVERAGES)
    assert points[0] == {"coverage": 1.0, "risk": 0.25, "confidence": 0.05}
    assert points[3] == {"coverage": 0.8, "risk": 0.0625, "confidence": 0.25}
    assert points[-1] == {"coverage": 0.5, "risk": 0.0, "confidence": 0.55}


def test_one_answer_has_a_curve():
    assert {point["risk"] for point in coverage_points(*certain((0.3, 0)))} == {1.0}


@pytest.mark.parametrize(("n", "m"), [(0, 0), (3, 2)])
def test_arrays_that_do_not_fit_are_refused(n, m):
    with pytest.raises(InputError, match=r"Confidences \(\d,\) and answers \(\d,\) give no thre"):
        fit_threshold(np.zeros(n), np.zeros(m, bool))


@pytest.mark.parametrize(("target", "least"), [(1.1, 0.5), (0.5, 0)])
def test_shares_out_of_range_are_refused(target, least):
    with pytest.raises(InputError, match=r"both are shares, 0 to 1"):
        fit_threshold(np.ones(1), np.ones(1, bool), target, least)
