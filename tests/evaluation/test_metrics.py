"""Metrics against values computed by hand and against scikit-learn."""

import math

import numpy as np
import pytest
from sklearn import metrics as sk

from mien.errors import InputError
from mien.evaluation import metrics

# Four pictures of class 0 (three found), two of class 1 (one found), one of class 2 (taken for 0).
LABELS = np.array([0, 0, 0, 0, 1, 1, 2])
PREDICTIONS = np.array([0, 0, 0, 1, 1, 0, 0])
CONFUSION = np.array([[3, 1, 0], [1, 1, 0], [1, 0, 0]])


@pytest.fixture
def drawn():
    """200 answers over five classes, right about half the time."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 5, 200)
    logits = rng.normal(size=(200, 5))
    logits[np.arange(200), labels] += 1
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return labels, probs


def test_confusion_counts_true_classes_in_rows():
    assert metrics.confusion_matrix(LABELS, PREDICTIONS, 3).tolist() == CONFUSION.tolist()


def test_rates_by_hand():
    assert metrics.accuracy(CONFUSION) == pytest.approx(4 / 7)
    assert metrics.balanced_accuracy(CONFUSION) == pytest.approx((3 / 4 + 1 / 2 + 0) / 3)
    # F1 of class 0: 2·3 / (4 + 5); of class 1: 2·1 / (2 + 2); of class 2: 0.
    assert metrics.macro_f1(CONFUSION) == pytest.approx((6 / 9 + 1 / 2 + 0) / 3)


def test_class_scores_by_hand():
    scores = metrics.class_scores(CONFUSION)
    assert scores.recall.tolist() == [0.75, 0.5, 0.0]
    assert scores.precision[:2].tolist() == [0.6, 0.5]
    assert math.isnan(scores.precision[2])  # never predicted
    assert scores.n.tolist() == [4, 2, 1]


def test_a_class_without_pictures_is_left_out_of_means():
    confusion = np.array([[2, 0, 1], [0, 1, 0], [0, 0, 0]])
    assert metrics.balanced_accuracy(confusion) == pytest.approx((2 / 3 + 1) / 2)
    assert metrics.macro_f1(confusion) == pytest.approx((4 / 5 + 1) / 2)


def test_rates_agree_with_scikit_learn(drawn):
    labels, probs = drawn
    predictions = probs.argmax(axis=1)
    confusion = metrics.confusion_matrix(labels, predictions, 5)
    assert confusion.tolist() == sk.confusion_matrix(labels, predictions).tolist()
    assert metrics.accuracy(confusion) == pytest.approx(sk.accuracy_score(labels, predictions))
    assert metrics.macro_f1(confusion) == pytest.approx(
        sk.f1_score(labels, predictions, average="macro")
    )
    assert metrics.balanced_accuracy(confusion) == pytest.approx(
        sk.balanced_accuracy_score(labels, predictions)
    )
    precision, recall, f1, n = sk.precision_recall_fscore_support(labels, predictions)
    ours = metrics.class_scores(confusion)
    for mine, theirs in (
        (ours.precision, precision),
        (ours.recall, recall),
        (ours.f1, f1),
        (ours.n, n),
    ):
        np.testing.assert_allclose(mine, theirs)


def test_leading_axes_are_scored_one_by_one():
    stack = np.stack([CONFUSION, CONFUSION.T])
    for rate in (metrics.accuracy, metrics.macro_f1, metrics.balanced_accuracy):
        assert rate(stack) == pytest.approx([rate(CONFUSION), rate(CONFUSION.T)])


def test_likelihood_and_brier_by_hand():
    probs = np.array([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4]])
    labels = np.array([0, 2])
    assert metrics.negative_log_likelihood(probs, labels) == pytest.approx(
        -(math.log(0.7) + math.log(0.4)) / 2
    )
    assert metrics.brier_score(probs, labels) == pytest.approx(
        ((0.09 + 0.04 + 0.01) + (0.01 + 0.25 + 0.36)) / 2
    )


def test_likelihood_and_brier_agree_with_scikit_learn(drawn):
    labels, probs = drawn
    assert metrics.negative_log_likelihood(probs, labels) == pytest.approx(
        sk.log_loss(labels, probs)
    )
    each = [sk.brier_score_loss(labels == c, probs[:, c]) for c in range(5)]
    assert metrics.brier_score(probs, labels) == pytest.approx(sum(each))


def test_a_probability_of_zero_is_a_finite_loss():
    assert math.isfinite(metrics.negative_log_likelihood(np.array([[1.0, 0.0]]), np.array([1])))


def test_calibration_error_by_hand():
    # Sorted by confidence, two bins of two: 0.5 and 0.6 (one right), 0.8 and 0.9 (both right).
    probs = np.array([[0.9, 0.1], [0.4, 0.6], [0.5, 0.5], [0.2, 0.8]])
    labels = np.array([0, 1, 1, 1])
    bins = metrics.reliability(probs, labels, num_bins=2)
    assert bins.confidence == pytest.approx([0.55, 0.85])
    assert bins.accuracy.tolist() == [0.5, 1.0]
    assert bins.count.tolist() == [2, 2]
    assert metrics.expected_calibration_error(probs, labels, num_bins=2) == pytest.approx(
        (0.05 + 0.15) / 2
    )


def test_calibration_bins_hold_equal_mass_and_ignore_row_order(drawn):
    labels, probs = drawn
    probs = np.round(probs, 1)  # many ties
    order = np.random.default_rng(2).permutation(len(labels))
    bins, shuffled = (
        metrics.reliability(probs, labels),
        metrics.reliability(probs[order], labels[order]),
    )
    assert bins.count.max() - bins.count.min() <= 1
    assert bins.count.sum() == len(labels)
    np.testing.assert_allclose(bins.accuracy, shuffled.accuracy)


def test_a_calibrated_predictor_has_no_calibration_error():
    probs = np.tile([0.75, 0.25], (400, 1))
    labels = np.tile([0, 0, 0, 1], 100)
    assert metrics.expected_calibration_error(probs, labels) == pytest.approx(0)


def test_risk_coverage_by_hand():
    confidence = np.array([0.9, 0.8, 0.7, 0.6])
    correct = np.array([True, False, True, False])
    coverage, risk = metrics.risk_coverage(confidence, correct)
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert risk == pytest.approx([0, 1 / 2, 1 / 3, 1 / 2])
    assert metrics.area_under_risk_coverage(confidence, correct) == pytest.approx(
        (0 + 1 / 2 + 1 / 3 + 1 / 2) / 4
    )


def test_equally_confident_answers_share_their_errors():
    correct = np.array([True, False, True, False])
    _, risk = metrics.risk_coverage(np.full(4, 0.5), correct)
    assert risk == pytest.approx([0.5] * 4)


def test_votes_by_hand():
    shares = np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    probs = np.array([[0.5, 0.25, 0.25], [0.8, 0.1, 0.1]])
    assert metrics.kl_to_votes(probs, shares) == pytest.approx(
        (0.5 * math.log(2) + math.log(1 / 0.8)) / 2
    )
    assert metrics.kl_to_votes(np.maximum(shares, 1e-300), shares) == pytest.approx(0)
    assert metrics.mean_vote_share(shares, np.array([1, 0])) == 0.75


def test_entropy_lies_between_sure_and_clueless():
    assert metrics.mean_entropy(np.eye(4)) == pytest.approx(0)
    assert metrics.mean_entropy(np.full((3, 4), 0.25)) == pytest.approx(math.log(4))


def test_a_constant_predictor_has_collapsed():
    labels = np.arange(300) % 4
    predictions = np.full(300, 3)
    assert metrics.collapsed_class(labels, predictions) == 3
    predictions[:3] = 1  # 99 % is still collapsed
    assert metrics.collapsed_class(labels, predictions) == 3
    predictions[3] = 1
    assert metrics.collapsed_class(labels, predictions) is None
    assert metrics.collapsed_class(np.array([], int), np.array([], int)) is None


def test_who_is_asked_about_one_class_alone_may_answer_it_alone():
    assert metrics.collapsed_class(np.full(9, 3), np.full(9, 3)) is None


def test_arrays_that_do_not_fit_together_are_refused():
    with pytest.raises(
        InputError, match=r"Labels \(2,\) and predictions \(3,\) are not two lists of one length"
    ):
        metrics.confusion_matrix(np.zeros(2, int), np.zeros(3, int), 2)
    with pytest.raises(InputError, match="Predictions lie outside 0…1: 0 to 2"):
        metrics.confusion_matrix(np.zeros(3, int), np.array([0, 1, 2]), 2)
    with pytest.raises(InputError, match="do not belong to the same N pictures"):
        metrics.brier_score(np.zeros((3, 2)), np.zeros(2, int))
    with pytest.raises(InputError, match="0 predictions cannot be put into 15 bins"):
        metrics.reliability(np.zeros((0, 2)), np.zeros(0, int))
