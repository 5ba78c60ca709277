"""Intervals against closed forms and against a bootstrap that draws picture by picture."""

import numpy as np
import pytest

from mien.errors import InputError
from mien.evaluation import metrics
from mien.evaluation.intervals import Estimate, bootstrap, percent, resample, wilson, with_interval

CONFUSION = np.array([[300, 60, 40], [50, 150, 20], [10, 5, 15]])


def test_the_interval_of_an_accuracy_is_the_normal_one():
    estimate = bootstrap(CONFUSION, metrics.accuracy, np.random.default_rng(0))
    share = 465 / 650
    half = 1.96 * (share * (1 - share) / 650) ** 0.5
    assert estimate.value == pytest.approx(share)
    assert estimate.low == pytest.approx(share - half, abs=0.003)
    assert estimate.high == pytest.approx(share + half, abs=0.003)


def test_counts_are_resampled_as_pictures_would_be():
    labels = np.repeat([0, 0, 0, 1, 1, 1, 2, 2, 2], CONFUSION.ravel())
    predictions = np.repeat([0, 1, 2, 0, 1, 2, 0, 1, 2], CONFUSION.ravel())
    rng = np.random.default_rng(3)
    scores = []
    for _ in range(1000):
        rows = rng.integers(0, len(labels), len(labels))
        scores.append(
            metrics.macro_f1(metrics.confusion_matrix(labels[rows], predictions[rows], 3))
        )
    low, high = np.quantile(scores, [0.025, 0.975])
    estimate = bootstrap(CONFUSION, metrics.macro_f1, np.random.default_rng(4))
    assert estimate.low == pytest.approx(low, abs=0.008)
    assert estimate.high == pytest.approx(high, abs=0.008)


def test_the_same_seed_gives_the_same_interval_and_keeps_n():
    one, two = (resample(CONFUSION, np.random.default_rng(5), 20) for _ in range(2))
    assert (one == two).all()
    assert (one.sum(axis=(1, 2)) == CONFUSION.sum()).all()


def test_a_class_that_a_resample_loses_is_no_warning():
    confusion = np.array([[5, 0], [1, 0]])
    estimate = bootstrap(confusion, metrics.balanced_accuracy, np.random.default_rng(0))
    assert estimate.value == 0.5
    assert 0 <= estimate.low <= estimate.high <= 1


def test_wilson_agrees_with_published_values():
    # Newcombe 1998, table I: 81 of 263 and 0 of 20.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)
    assert wilson(20, 20)[1] == 1


def test_scores_are_shown_in_percent_with_one_decimal():
    assert with_interval(Estimate(0.69322, 0.678, 0.7084)) == "69.3 (67.8–70.8)"
    assert percent(None) == "–"


def test_nothing_to_resample_is_refused():
    with pytest.raises(InputError, match="0 pictures cannot be resampled 2000 times"):
        bootstrap(np.zeros((2, 2), int), metrics.accuracy, np.random.default_rng(0))
    with pytest.raises(InputError, match="3 of 2 is no proportion"):
        wilson(3, 2)
