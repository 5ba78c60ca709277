"""A student's own usual: the median of their first two minutes, and how far they usually are from it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from typing import Any

__all__ = ["Baseline"]

_MAD_TO_DEVIATION = 1.4826
"""Makes the median absolute deviation of normal values their standard deviation: 1 / Φ⁻¹(3/4)."""

_SPREAD_SLOWER = 4.0
"""The spread follows so much more slowly than the centre: else a long state would hide itself by widening it."""


class Baseline:
    """Median and scale of one number: learned once, then slowly moving. Compared with nobody else's."""

    def __init__(self, learn_values: int, drift_values: float, min_scale: float) -> None:
        """Begin to learn.

        Args:
            learn_values: How many values are learned from.
            drift_values: After that, so many values move the centre by one learned scale at most.
            min_scale: The scale is never smaller; in the number's own unit.
        """
        self._learn_values = learn_values
        self._rate = 1.0 / drift_values
        self._min_scale = min_scale
        self._learning: list[float] = []
        self._centre = math.nan
        self._mad = math.nan
        self._unit = math.nan
        """The scale as it was learned: steps are shares of it."""

    @property
    def is_ready(self) -> bool:
        """Whether enough was learned."""
        return not math.isnan(self._centre)

    @property
    def centre(self) -> float:
        """The usual value; NaN before it is ready."""
        return self._centre

    @property
    def scale(self) -> float:
        """The usual distance from it, as a standard deviation; NaN before it is ready."""
        return max(self._min_scale, _MAD_TO_DEVIATION * self._mad)

    def z(self, value: float) -> float:
        """Return how unusual a value is, in scales above the centre."""
        return (value - self._centre) / self.scale

    def add(self, value: float) -> None:
        """Take one more value in.

        After learning, median and MAD follow by steps of fixed size towards the side on which the value lies: each
        comes to rest where as many values lie above as below, which is what a median is, and no single value,
        however far off, moves it further than another.
        """
        if self.is_ready:
            step = self._rate * self._unit
            off = abs(value - self._centre) - self._mad
            self._mad = max(0.0, self._mad + step / _SPREAD_SLOWER * _sign(off))
            self._centre += step * _sign(value - self._centre)
            return
        self._learning.append(value)
        if len(self._learning) >= self._learn_values:
            self._centre = statistics.median(self._learning)
            self._mad = statistics.median(abs(one - self._centre) for one in self._learning)
            self._learning = []
            self._unit = self.scale

    def as_dict(self) -> dict[str, Any]:
        """Return what was learned, for JSON."""
        return {
            "learning": list(self._learning),
            "centre": self._centre if self.is_ready else None,
            "mad": self._mad if self.is_ready else None,
            "unit": self._unit if self.is_ready else None,
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on from what `as_dict` returned."""
        self._learning = list(saved["learning"])
        if saved["centre"] is not None:
            self._centre, self._mad, self._unit = saved["centre"], saved["mad"], saved["unit"]


def _sign(value: float) -> float:
    return float((value > 0) - (value < 0))
