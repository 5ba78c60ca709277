"""Every score that mien reports, from arrays; NumPy only. One definition a metric.

What depends on the classes alone takes a confusion matrix, with any leading axes, so that the
bootstrap scores thousands of resamples in one call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError

__all__ = [
    "COLLAPSE_SHARE",
    "NUM_BINS",
    "RATES",
    "ClassScores",
    "Reliability",
    "accuracy",
    "area_under_risk_coverage",
    "balanced_accuracy",
    "brier_score",
    "class_scores",
    "collapsed_class",
    "confusion_matrix",
    "expected_calibration_error",
    "kl_to_votes",
    "macro_f1",
    "mean_entropy",
    "mean_vote_share",
    "negative_log_likelihood",
    "reliability",
    "risk_coverage",
]

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]

COLLAPSE_SHARE = 0.99
"""A network that gives one class this often has learned nothing about the others."""

NUM_BINS = 15
"""Bins of the calibration error, as in Guo et al. 2017."""


@dataclass(frozen=True)
class ClassScores:
    """The scores of each class, (..., C); NaN where a class has no picture (or no prediction)."""

    recall: Floats
    """Of the pictures of a class, the share that was found."""
    precision: Floats
    """Of the predictions of a class, the share that was right."""
    f1: Floats
    """Harmonic mean of the two; 0 where pictures exist and none was found."""
    n: Integers
    """Pictures of the class."""


@dataclass(frozen=True)
class Reliability:
    """Bins of equal mass over confidence, from the least to the most confident; (B,) each."""

    confidence: Floats
    """Mean confidence in the bin."""
    accuracy: Floats
    """Share that was right in the bin."""
    count: Integers
    """Predictions in the bin; they differ by one at most."""


def confusion_matrix(
    labels: Integers, predictions: Integers, num_classes: int
) -> NDArray[np.int64]:
    """Count how often each class was taken for each other one.

    Args:
        labels: (N,) true classes in [0, num_classes).
        predictions: (N,) predicted classes in [0, num_classes).
        num_classes: C.

    Returns:
        (C, C) counts; rows are true classes, columns predicted ones.

    Raises:
        InputError: If the two differ in N, or a class is out of range.
    """
    if labels.shape != predictions.shape or labels.ndim != 1:
        raise InputError(
            f"Labels {labels.shape} and predictions {predictions.shape} are not two lists of one length."
        )
    for name, values in (("Labels", labels), ("Predictions", predictions)):
        if len(values) and not 0 <= int(values.min()) <= int(values.max()) < num_classes:
            raise InputError(
                f"{name} lie outside 0…{num_classes - 1}: {values.min()} to {values.max()}."
            )
    cells = labels.astype(np.int64) * num_classes + predictions
    return (
        np.bincount(cells, minlength=num_classes**2)
        .reshape(num_classes, num_classes)
        .astype(np.int64)
    )


def accuracy(confusion: Integers) -> Any:
    """Return the share of right predictions; (..., C, C) counts give (...) fractions."""
    return np.trace(confusion, axis1=-2, axis2=-1) / confusion.sum(axis=(-2, -1))


def balanced_accuracy(confusion: Integers) -> Any:
    """Return the mean recall over the classes that occur (UAR); (..., C, C) counts give (...) fractions."""
    return np.nanmean(class_scores(confusion).recall, axis=-1)


def macro_f1(confusion: Integers) -> Any:
    """Return the mean F1 over the classes that occur; (..., C, C) counts give (...) fractions.

    A class without pictures has no F1; predicting it costs the classes whose pictures were missed.
    """
    return np.nanmean(class_scores(confusion).f1, axis=-1)


def class_scores(confusion: Integers) -> ClassScores:
    """Return recall, precision, F1 and n of each class from (..., C, C) counts."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)  # (..., C)
    actual, predicted = confusion.sum(axis=-1), confusion.sum(axis=-2)
    f1 = _ratio(2 * hits, actual + predicted)
    return ClassScores(
        recall=_ratio(hits, actual),
        precision=_ratio(hits, predicted),
        f1=np.where(actual > 0, f1, np.nan),
        n=actual,
    )


def _ratio(numerator: Integers, denominator: Integers) -> Floats:
    """Divide; NaN where there is nothing to divide by."""
    quotient: Floats = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator > 0)
    return quotient


RATES: Mapping[str, Callable[[Integers], Any]] = {
    "accuracy": accuracy,
    "macro_f1": macro_f1,
    "balanced_accuracy": balanced_accuracy,
}
"""The scores that a confusion matrix gives, by their names in results and studies."""


def collapsed_class(labels: Integers, predictions: Integers) -> int | None:
    """Return the class that makes up nearly all predictions; None for a network that has not collapsed.

    Such a network may still score a quarter on FER2013, whose largest class is that big. Where all labels are one, so may
    the answers be.

    Args:
        labels: (N,) true classes.
        predictions: (N,) predicted classes.
    """
    if len(np.unique(labels)) < 2:
        return None
    counts = np.bincount(predictions)
    top = int(counts.argmax())
    return top if counts[top] >= COLLAPSE_SHARE * len(predictions) else None


def negative_log_likelihood(probs: Floats, labels: Integers) -> float:
    """Return the mean of -log(probability of the true class), in nats.

    Args:
        probs: (N, C) probabilities; each row sums to 1.
        labels: (N,) classes in [0, C).
    """
    chosen = _aligned(probs, labels)[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(chosen, np.finfo(np.float64).tiny)).mean())


def brier_score(probs: Floats, labels: Integers) -> float:
    """Return the mean squared distance to the one-hot truth, summed over classes: 0 is best, 2 worst.

    Args:
        probs: (N, C) probabilities; each row sums to 1.
        labels: (N,) classes in [0, C).

    Source:
        Brier 1950, Verification of forecasts expressed in terms of probability.
    """
    truth = np.eye(probs.shape[1])[labels]  # (N, C)
    return float(((_aligned(probs, labels) - truth) ** 2).sum(axis=1).mean())


def reliability(probs: Floats, labels: Integers, num_bins: int = NUM_BINS) -> Reliability:
    """Sort predictions by confidence into bins of equal mass.

    Args:
        probs: (N, C) probabilities; each row sums to 1.
        labels: (N,) classes in [0, C).
        num_bins: Bins wanted; with fewer predictions than that, one a prediction.

    Raises:
        InputError: If there is nothing to bin, or ``num_bins`` is not positive.
    """
    if num_bins < 1 or not len(labels):
        raise InputError(
            f"{len(labels)} predictions cannot be put into {num_bins} bins; both must be at least 1."
        )
    confidence = _aligned(probs, labels).max(axis=1)  # (N,)
    correct = probs.argmax(axis=1) == labels
    # Equally confident predictions have no order: each counts as right as its group, in whatever bin it falls.
    _, group, size = np.unique(confidence, return_inverse=True, return_counts=True)
    share_right = (np.bincount(group, weights=correct) / size)[group]
    order = np.argsort(group, kind="stable")
    bins = np.array_split(order, min(num_bins, len(order)))
    return Reliability(
        confidence=np.array([confidence[rows].mean() for rows in bins]),
        accuracy=np.array([share_right[rows].mean() for rows in bins]),
        count=np.array([len(rows) for rows in bins]),
    )


def expected_calibration_error(probs: Floats, labels: Integers, num_bins: int = NUM_BINS) -> float:
    """Return the gap between confidence and accuracy, averaged over bins of equal mass.

    Args:
        probs: (N, C) probabilities; each row sums to 1.
        labels: (N,) classes in [0, C).
        num_bins: Bins over confidence, each with as many predictions.

    Returns:
        A fraction in [0, 1]; 0 means perfectly calibrated.

    Source:
        Guo et al. 2017, https://arxiv.org/abs/1706.04599; equal mass after
        Nixon et al. 2019, https://arxiv.org/abs/1904.01685
    """
    bins = reliability(probs, labels, num_bins)
    return float(np.average(np.abs(bins.accuracy - bins.confidence), weights=bins.count))


def mean_entropy(probs: Floats) -> float:
    """Return the mean entropy of (N, C) probabilities, in nats: 0 when sure, log C when clueless."""
    return float(-(probs * np.log(np.maximum(probs, np.finfo(np.float64).tiny))).sum(axis=1).mean())


def risk_coverage(confidence: Floats, correct: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Follow the error rate as a network answers more and more of the pictures, surest first.

    Equally confident predictions have no order: each takes its group's expected share of errors.

    Args:
        confidence: (N,) how sure each prediction is; any scale.
        correct: (N,) whether it was right.

    Returns:
        (N,) coverages 1/N…1, and (N,) error rates among the pictures answered.

    Source:
        Geifman & El-Yaniv 2017, https://arxiv.org/abs/1705.08500
    """
    order = np.argsort(-confidence)
    ranked, answered = confidence[order], np.arange(1, len(order) + 1)
    errors = np.cumsum(~correct[order])
    group_ends = np.append(np.flatnonzero(np.diff(ranked)), len(order) - 1)
    expected = np.interp(
        answered, np.append(0, answered[group_ends]), np.append(0, errors[group_ends])
    )
    return answered / len(order), expected / answered


def area_under_risk_coverage(confidence: Floats, correct: NDArray[np.bool_]) -> float:
    """Return the mean of the risk-coverage curve: 0 is best; the error rate is what no order gives."""
    return float(risk_coverage(confidence, correct)[1].mean())


def kl_to_votes(probs: Floats, shares: Floats) -> float:
    """Return the mean Kullback-Leibler divergence KL(votes ‖ prediction), in nats.

    Args:
        probs: (N, C) predicted probabilities.
        shares: (N, C) shares of the votes; each row sums to 1.
    """
    tiny = np.finfo(np.float64).tiny
    ratio = np.log(np.maximum(shares, tiny)) - np.log(np.maximum(probs, tiny))
    return float((shares * ratio).sum(axis=1).mean())


def mean_vote_share(shares: Floats, predictions: Integers) -> float:
    """Return how much of the vote the predicted class had on average, in [0, 1].

    Args:
        shares: (N, C) shares of the votes; each row sums to 1.
        predictions: (N,) classes in [0, C).
    """
    return float(shares[np.arange(len(predictions)), predictions].mean())


def _aligned(probs: Floats, labels: Integers) -> Floats:
    if probs.ndim != 2 or labels.shape != probs.shape[:1]:
        raise InputError(
            f"Probabilities {probs.shape} and labels {labels.shape} do not belong to the same N pictures."
        )
    return probs.astype(np.float64, copy=False)
