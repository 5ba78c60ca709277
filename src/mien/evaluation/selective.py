"""When to answer "unsure": the threshold on the confidence, and what it costs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.evaluation.metrics import risk_coverage

__all__ = [
    "LEAST_ANSWERS",
    "LEAST_COVERAGE",
    "NOTED_COVERAGES",
    "TARGET_ACCURACY",
    "coverage_points",
    "fit_threshold",
    "fit_thresholds",
]

TARGET_ACCURACY = 0.9
"""Of the answers that are given, so many shall be right."""

LEAST_COVERAGE = 0.8
"""At most one face in five is given up for it. People reach about 65 % on FER2013's own labels (Goodfellow et al. 2013,
arXiv:1307.0414), so that holding to the target would leave a recogniser silent on most faces."""

LEAST_ANSWERS = 50
"""An answer that was given less often takes the threshold of all: its own would be chance. At 50, the 95 % interval of an
accuracy of 90 % is 17 points wide."""

NOTED_COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)
"""The points of the curve that stand in a model file."""


def fit_threshold(
    confidence: NDArray[np.floating[Any]],
    correct: NDArray[np.bool_],
    target: float = TARGET_ACCURACY,
    least_coverage: float = LEAST_COVERAGE,
) -> float:
    """Find the smallest confidence from which on the answers are as accurate as wanted.

    Where the target would silence more than ``least_coverage`` allows, that coverage decides. Fit it on the
    validation split after the temperature, never on the split that is reported.

    Args:
        confidence: (N,) calibrated probability of each answer.
        correct: (N,) whether it was right.
        target: Accuracy wanted among the answers given, in [0, 1].
        least_coverage: Share of the faces that must be answered whatever the accuracy, in (0, 1].

    Returns:
        The threshold: answers below it are unsure. 0 if all together reach the target.

    Raises:
        InputError: If there are no answers, the arrays differ in length, or a share is out of its range.

    Source:
        Geifman & El-Yaniv 2017, https://arxiv.org/abs/1705.08500, with a floor under the coverage.
    """
    if confidence.ndim != 1 or not len(confidence) or confidence.shape != correct.shape:
        raise InputError(
            f"Confidences {confidence.shape} and answers {correct.shape} give no threshold; expected (N,) both."
        )
    if not (0 <= target <= 1 and 0 < least_coverage <= 1):
        raise InputError(
            f"A target of {target} at a coverage of {least_coverage} was asked for; both are shares, 0 to 1."
        )
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order]
    accuracy = np.cumsum(correct[order]) / np.arange(1, len(order) + 1)
    # A threshold cannot part equal confidences, so only the last of each is a place to stop.
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    allowed = ends[(ends + 1) / len(ranked) >= least_coverage]
    good = allowed[accuracy[allowed] >= target]
    stop = int(good[-1]) if len(good) else int(allowed[0])
    return 0.0 if stop == len(ranked) - 1 and len(good) else float(ranked[stop])


def fit_thresholds(
    confidence: NDArray[np.floating[Any]],
    answers: NDArray[np.integer[Any]],
    correct: NDArray[np.bool_],
    num_labels: int,
) -> tuple[float, ...]:
    """Find a threshold for each answer, so that "fear", when it is said, is as often right as "happy" is.

    `fit_threshold` over the faces with that answer, with its target and its floor under the coverage; over all faces
    where there are fewer than `LEAST_ANSWERS`.

    Args:
        confidence: (N,) calibrated probability of each answer.
        answers: (N,) which label each answer is, in [0, num_labels).
        correct: (N,) whether it was right.
        num_labels: How many thresholds to give.

    Raises:
        InputError: As `fit_threshold`; or if the answers differ in number from the others.
    """
    if answers.shape != confidence.shape:
        raise InputError(
            f"{confidence.shape} confidences and {answers.shape} answers give no thresholds; expected (N,) both."
        )
    common = fit_threshold(confidence, correct)
    thresholds = []
    for label in range(num_labels):
        chosen = answers == label
        is_enough = np.count_nonzero(chosen) >= LEAST_ANSWERS
        thresholds.append(
            fit_threshold(confidence[chosen], correct[chosen]) if is_enough else common
        )
    return tuple(thresholds)


def coverage_points(
    confidence: NDArray[np.floating[Any]], correct: NDArray[np.bool_]
) -> list[dict[str, float]]:
    """Return the risk-coverage curve at `NOTED_COVERAGES`, surest faces first.

    Args:
        confidence: (N,) calibrated probability of each answer, N at least 1.
        correct: (N,) whether it was right.

    Returns:
        For each point ``coverage``, ``risk`` (error rate among the answered) and ``confidence`` (of the least
        sure answer among them).
    """
    _, risks = risk_coverage(confidence, correct)
    ranked = np.sort(confidence)[::-1]
    points = []
    for coverage in NOTED_COVERAGES:
        last = max(1, round(coverage * len(ranked))) - 1
        points.append(
            {
                "coverage": coverage,
                "risk": round(float(risks[last]), 4),
                "confidence": round(float(ranked[last]), 4),
            }
        )
    return points
