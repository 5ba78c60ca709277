"""How far a score could be off: percentile bootstrap, and Wilson's interval for one proportion."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError

__all__ = [
    "LEVEL",
    "RESAMPLES",
    "Estimate",
    "bootstrap",
    "percent",
    "percentiles",
    "resample",
    "resampled",
    "wilson",
    "with_interval",
]

LEVEL = 0.95
"""Share of repetitions whose interval holds the truth."""

RESAMPLES = 2_000

_CELLS_AT_ONCE = 1 << 22
"""Counts that are held at a time, 32 MB of them: all resamples of many classes together would take gigabytes."""

_Z = 1.959963984540054  # the standard normal's 97.5 % quantile, for `LEVEL`


@dataclass(frozen=True)
class Estimate:
    """A score with its 95 % interval."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        """Return the fields, for a result row."""
        return {"value": self.value, "low": self.low, "high": self.high}


def percent(share: float | None) -> str:
    """Return a share as it is shown everywhere: one decimal; a dash where there is none."""
    return "–" if share is None else f"{100 * share:.1f}"


def with_interval(estimate: Estimate) -> str:
    """Return a score in percent with its interval."""
    return f"{percent(estimate.value)} ({percent(estimate.low)}–{percent(estimate.high)})"


def resample(
    counts: NDArray[np.integer[Any]], rng: np.random.Generator, resamples: int = RESAMPLES
) -> NDArray[np.int64]:
    """Draw as many pictures again as there are, with replacement, many times over.

    Pictures in the same cell are the same to a score that reads counts, so drawing N of them is one
    multinomial draw over the cells: the bootstrap itself, without N random numbers a resample.

    Args:
        counts: Counts of any shape, for example a (C, C) confusion matrix.
        rng: Where the draws come from.
        resamples: How many to make.

    Returns:
        (resamples, *counts.shape) counts, each summing to N.

    Raises:
        InputError: If there is nothing to draw from.
    """
    total = int(counts.sum())
    if total < 1 or resamples < 1:
        raise InputError(
            f"{total} pictures cannot be resampled {resamples} times; both must be at least 1."
        )
    draws = rng.multinomial(total, counts.ravel() / total, size=resamples)
    return draws.reshape(resamples, *counts.shape)


def resampled(
    counts: NDArray[np.integer[Any]],
    statistic: Callable[[NDArray[np.int64]], Any],
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
    num_cells: int = 0,
) -> NDArray[np.float64]:
    """Score resamples, some at a time.

    Args:
        counts: As for `resample`, whose draws they are.
        statistic: Maps (R, *counts.shape) counts to (R,) scores.
        rng: Where the draws come from.
        resamples: How many to score.
        num_cells: Of the arrays that the statistic makes of one resample, if they are larger than that.

    Raises:
        InputError: If there is nothing to draw from.
    """
    at_once = max(1, _CELLS_AT_ONCE // max(counts.size, num_cells))
    sizes = [min(at_once, resamples - start) for start in range(0, max(1, resamples), at_once)]
    return np.concatenate([statistic(resample(counts, rng, size)) for size in sizes])


def percentiles(draws: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """Return the ends of the middle 95 % of (R,) draws, leaving out those without a value."""
    low, high = np.nanquantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def bootstrap(
    confusion: NDArray[np.integer[Any]],
    statistic: Callable[[NDArray[np.int64]], Any],
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Estimate a score of a confusion matrix with its percentile interval.

    Args:
        confusion: (C, C) counts, rows are true classes.
        statistic: Maps (..., C, C) counts to (...) scores: `metrics.accuracy`, `metrics.macro_f1`, …
        rng: Where the draws come from.
        resamples: How many times the pictures are drawn again.

    Source:
        Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.
    """
    low, high = percentiles(resampled(confusion, statistic, rng, resamples))
    return Estimate(float(statistic(np.asarray(confusion))), low, high)


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Return the ends of the interval of a proportion, for counts too small for a bootstrap.

    Of 16 pictures all right, a bootstrap would claim exactly 100 %.

    Raises:
        InputError: If not 0 ≤ successes ≤ n, n ≥ 1.

    Source:
        Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953
    """
    if not 0 <= successes <= n or n < 1:
        raise InputError(
            f"{successes} of {n} is no proportion; expected 0 to n of n, n at least 1."
        )
    share, z2 = successes / n, _Z**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n**2))
    # Rounding must not put the end of "all right" at 0.9999….
    return (0.0 if successes == 0 else centre - half), (1.0 if successes == n else centre + half)
