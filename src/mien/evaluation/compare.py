"""Is A better than B on the same pictures: paired bootstrap and McNemar's test."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.evaluation.intervals import RESAMPLES, Estimate, percentiles, resample

__all__ = ["McNemar", "mcnemar", "paired_bootstrap"]

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
    cells = (labels.astype(np.int64) * num_classes + a) * num_classes + b
    joint = np.bincount(cells, minlength=num_classes**3).reshape(
        (num_classes,) * 3
    )  # (label, A, B)

    def difference(counts: NDArray[np.int64]) -> Any:
        return statistic(counts.sum(axis=-1)) - statistic(counts.sum(axis=-2))

    low, high = percentiles(difference(resample(joint, rng, resamples)))
    return Estimate(float(difference(joint)), low, high)


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


def _log_binomial(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _check(labels: Integers, a: Integers, b: Integers) -> None:
    if not len(labels) or not labels.shape == a.shape == b.shape:
        raise InputError(
            f"Labels {labels.shape}, A {a.shape} and B {b.shape} are not of the same pictures; "
            "evaluate both models on the same split."
        )
