"""Is A better than B on the same pictures: paired bootstrap and McNemar's test."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.evaluation import metrics
from mien.evaluation.intervals import RESAMPLES, Estimate, percentiles, resampled
from mien.evaluation.predictions import Predictions, check_same_pictures

__all__ = ["Comparison", "McNemar", "compare", "mcnemar", "paired_bootstrap"]

Integers = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class McNemar:
    """Where two models differ, and how likely that is by chance."""

    only_a: int
    """Pictures that only A got right."""
    only_b: int
    """Pictures that only B got right."""
    p_value: float
    """Two-sided and exact: how often a fair coin would split them at least as unevenly."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two sets of answers to the same questions."""

    protocol: str
    a: str
    """Name of A."""
    b: str
    """Name of B."""
    n: int
    rates: dict[str, tuple[float, float, Estimate]]
    """``accuracy``, ``macro_f1``, ``balanced_accuracy``: A's, B's, and A - B with its paired interval."""
    recalls: dict[str, tuple[int, float | None, float | None]]
    """Class -> n, A's recall, B's; None where n is 0."""
    collapsed: tuple[str | None, str | None]
    """The one class to which A's, B's answers have collapsed; None where they tell classes apart."""
    mcnemar: McNemar
    agreement: float
    """Share of the pictures to which both gave the same answer, right or wrong."""

    @property
    def better(self) -> str | None:
        """``"a"`` or ``"b"`` where the interval of the accuracies' difference leaves out 0; else None."""
        difference = self.rates["accuracy"][2]
        return "a" if difference.low > 0 else "b" if difference.high < 0 else None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON holds them."""
        rates = {
            name: {"a": a, "b": b, "difference": difference.as_dict()}
            for name, (a, b, difference) in self.rates.items()
        }
        recalls = {label: {"n": n, "a": a, "b": b} for label, (n, a, b) in self.recalls.items()}
        return {
            **asdict(self),
            "rates": rates,
            "recalls": recalls,
            "better": self.better,
        }


def compare(a: Predictions, b: Predictions) -> Comparison:
    """Compare two sets of answers to the same questions.

    Raises:
        InputError: If they were not given to the same pictures, with the same truth.
    """
    check_same_pictures(a, b)
    num_classes = len(a.labels)
    answers = (a.targets, a.predicted, b.predicted)
    tables = [metrics.confusion_matrix(a.targets, one, num_classes) for one in answers[1:]]
    rates = {
        # The same draws every time: the interval is a function of the answers, not of the day.
        name: (
            float(rate(tables[0])),
            float(rate(tables[1])),
            paired_bootstrap(*answers, rate, np.random.default_rng(0)),
        )
        for name, rate in metrics.RATES.items()
    }
    recalls: dict[str, tuple[int, float | None, float | None]] = {}
    for index, label in enumerate(a.labels):
        n = int(tables[0][index].sum())
        shares = [table[index, index] / n if n else None for table in tables]
        recalls[label] = (n, shares[0], shares[1])
    return Comparison(
        protocol=a.protocol,
        a=a.model,
        b=b.model,
        n=len(a.targets),
        rates=rates,
        collapsed=(_collapsed(a), _collapsed(b)),
        recalls=recalls,
        mcnemar=mcnemar(*answers),
        agreement=float((answers[1] == answers[2]).mean()),
    )


def paired_bootstrap(
    labels: Integers,
    a: Integers,
    b: Integers,
    statistic: Callable[[NDArray[np.int64]], Any],
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Estimate score(A) - score(B), both drawn on the same pictures each time.

    Args:
        labels: (N,) true classes from 0.
        a: (N,) classes that A predicted.
        b: (N,) classes that B predicted.
        statistic: Maps (..., C, C) counts to (...) scores, as in `intervals.bootstrap`.
        rng: Where the draws come from.
        resamples: How many times the pictures are drawn again.

    Returns:
        The difference with its 95 % interval; A is better when the interval lies above 0.

    Raises:
        InputError: If the three differ in N.
    """
    _check(labels, a, b)
    num_classes = 1 + max(int(values.max()) for values in (labels, a, b))
    triples = (labels.astype(np.int64) * num_classes + a) * num_classes + b
    # Only those that occur: of 100 classes there are a million. The last one, so that the draws are those over all of them.
    cells, counts = np.unique([*triples, num_classes**3 - 1], return_counts=True)
    counts[-1] -= 1
    of_a, of_b = cells // num_classes, cells // num_classes**2 * num_classes + cells % num_classes

    def difference(counts: NDArray[np.int64]) -> Any:
        theirs, others = (_confusions(counts, places, num_classes) for places in (of_a, of_b))
        return statistic(theirs) - statistic(others)

    low, high = percentiles(resampled(counts, difference, rng, resamples, 2 * num_classes**2))
    return Estimate(float(difference(counts[None])[0]), low, high)


def _confusions(
    counts: NDArray[np.int64], places: NDArray[np.int64], num_classes: int
) -> NDArray[np.int64]:
    """Sum (R, K) counts into (R, C, C) confusion matrices, where (K,) places say which entry each belongs to."""
    order = np.argsort(places, kind="stable")
    entries, starts = np.unique(places[order], return_index=True)
    confusions = np.zeros((len(counts), num_classes**2), np.int64)
    confusions[:, entries] = np.add.reduceat(counts[:, order], starts, axis=1)
    return confusions.reshape(-1, num_classes, num_classes)


def mcnemar(labels: Integers, a: Integers, b: Integers) -> McNemar:
    """Test whether A and B are right equally often, from the pictures on which they differ.

    Args:
        labels: (N,) true classes.
        a: (N,) classes that A predicted.
        b: (N,) classes that B predicted.

    Raises:
        InputError: If the three differ in N.

    Source:
        McNemar 1947, https://doi.org/10.1007/BF02295996; exact binomial form.
    """
    _check(labels, a, b)
    right_a, right_b = a == labels, b == labels
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    n, fewer = only_a + only_b, min(only_a, only_b)
    tail = sum(math.exp(_log_binomial(n, k) - n * math.log(2)) for k in range(fewer + 1))
    return McNemar(only_a, only_b, min(1.0, 2 * tail))


def _collapsed(answers: Predictions) -> str | None:
    place = metrics.collapsed_class(answers.targets, answers.predicted)
    return None if place is None else answers.labels[place]


def _log_binomial(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _check(labels: Integers, a: Integers, b: Integers) -> None:
    if not len(labels) or not labels.shape == a.shape == b.shape:
        raise InputError(
            f"Labels {labels.shape}, A {a.shape} and B {b.shape} are not of the same pictures; "
            "evaluate both models on the same split."
        )
