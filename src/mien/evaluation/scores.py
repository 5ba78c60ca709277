"""Everything that is reported of one head on one protocol, from its logits."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.evaluation import metrics
from mien.evaluation.intervals import Estimate, bootstrap, wilson
from mien.softmax import softmax

__all__ = ["COVERAGES", "Certainty", "Scores", "VoteScores", "score"]

COVERAGES = (0.5, 0.8, 0.9)
"""Shares of the pictures to answer, surest first, whose accuracy is reported."""


@dataclass(frozen=True, kw_only=True)
class Certainty:
    """How far the probabilities can be believed, at one temperature."""

    temperature: float
    nll: float
    """Negative log-likelihood, nats."""
    brier: float
    """0 to 2."""
    ece: float
    """Calibration error over bins of equal mass, 0 to 1."""
    mean_entropy: float
    """nats"""
    aurc: float
    """Mean error rate over all coverages, surest first."""
    selective_accuracy: dict[str, float]
    """Coverage, such as ``"80 %"`` -> accuracy among the surest pictures."""


@dataclass(frozen=True, kw_only=True)
class VoteScores:
    """How near the answers are to what people voted."""

    kl_divergence: float
    """KL(votes ‖ calibrated prediction), nats."""
    mean_vote_share: float
    """Share of the vote that the predicted class had, mean."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Scores:
    """The scores of one head on one protocol."""

    labels: tuple[str, ...]
    """The classes, in the order of the matrix."""
    confusion: NDArray[np.int64]
    """(C, C) counts; rows are true classes."""
    rates: dict[str, Estimate]
    """``accuracy``, ``macro_f1``, ``balanced_accuracy``."""
    clean: dict[str, Estimate] | None
    """The same without the pictures that training holds too; None if the data has no training pictures."""
    clean_n: int | None
    uncalibrated: Certainty
    calibrated: Certainty
    votes: VoteScores | None
    collapsed: str | None
    """The class that the network gives to nearly every picture; None if it tells classes apart."""

    @property
    def n(self) -> int:
        """Pictures scored."""
        return int(self.confusion.sum())

    def as_dict(self) -> dict[str, Any]:
        """Return the scores as JSON holds them; what cannot be computed is None."""
        return {
            "n": self.n,
            **{name: estimate.as_dict() for name, estimate in self.rates.items()},
            "clean": None
            if self.clean is None
            else {
                "n": self.clean_n,
                **{name: estimate.as_dict() for name, estimate in self.clean.items()},
            },
            "collapsed": self.collapsed,
            "classes": self.per_class(),
            "confusion": self.confusion.tolist(),
            "uncalibrated": asdict(self.uncalibrated),
            "calibrated": asdict(self.calibrated),
            "votes": None if self.votes is None else asdict(self.votes),
        }

    def per_class(self) -> dict[str, dict[str, Any]]:
        """Return n, recall with its interval, precision and F1 of each class."""
        each = metrics.class_scores(self.confusion)
        rows = {}
        for index, label in enumerate(self.labels):
            n = int(each.n[index])
            hits = int(self.confusion[index, index])
            rows[label] = {
                "n": n,
                "recall": _or_none(each.recall[index]),
                "recall_interval": list(wilson(hits, n)) if n else None,
                "precision": _or_none(each.precision[index]),
                "f1": _or_none(each.f1[index]),
            }
        return rows


def score(
    logits: NDArray[np.floating[Any]],
    targets: NDArray[np.int64],
    labels: tuple[str, ...],
    *,
    temperature: float = 1.0,
    is_copy: NDArray[np.bool_] | None = None,
    shares: NDArray[np.float64] | None = None,
) -> Scores:
    """Score one head.

    Args:
        logits: (n, C).
        targets: (n,) true classes in [0, C).
        labels: Names of the C classes.
        temperature: The one that the model file carries.
        is_copy: (n,) pictures that training holds too; None if that is not known.
        shares: (n, C) shares of the FER+ votes; None without votes.
    """
    predictions = logits.argmax(axis=1)
    confusion = metrics.confusion_matrix(targets, predictions, len(labels))
    probs = softmax(logits, temperature)
    collapsed = metrics.collapsed_class(targets, predictions)
    clean = None
    if is_copy is not None and not is_copy.all():
        clean = metrics.confusion_matrix(targets[~is_copy], predictions[~is_copy], len(labels))
    return Scores(
        labels=labels,
        confusion=confusion,
        rates=_rates(confusion),
        clean=None if clean is None else _rates(clean),
        clean_n=None if clean is None else int(clean.sum()),
        uncalibrated=_certainty(softmax(logits), targets, 1.0),
        calibrated=_certainty(probs, targets, temperature),
        votes=None
        if shares is None
        else VoteScores(
            kl_divergence=metrics.kl_to_votes(probs, shares),
            mean_vote_share=metrics.mean_vote_share(shares, predictions),
        ),
        collapsed=None if collapsed is None else labels[collapsed],
    )


def _rates(confusion: NDArray[np.int64]) -> dict[str, Estimate]:
    # The same draws every time: an interval is a function of the counts, not of the day.
    return {
        name: bootstrap(confusion, rate, np.random.default_rng(0))
        for name, rate in metrics.RATES.items()
    }


def _certainty(
    probs: NDArray[np.float64], targets: NDArray[np.int64], temperature: float
) -> Certainty:
    confidence, correct = probs.max(axis=1), probs.argmax(axis=1) == targets
    _, risk = metrics.risk_coverage(confidence, correct)
    return Certainty(
        temperature=temperature,
        nll=metrics.negative_log_likelihood(probs, targets),
        brier=metrics.brier_score(probs, targets),
        ece=metrics.expected_calibration_error(probs, targets),
        mean_entropy=metrics.mean_entropy(probs),
        aurc=metrics.area_under_risk_coverage(confidence, correct),
        selective_accuracy={
            f"{100 * coverage:.0f} %": float(1 - risk[max(0, round(coverage * len(risk)) - 1)])
            for coverage in COVERAGES
        },
    )


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
