"""A track's answers over time: probabilities that move slowly, and a label that does not flicker."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError

__all__ = ["Smoothed", "Smoothing", "smooth"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoothing:
    """How slowly a track's answer moves. All times are of the recording, so the frame rate changes nothing."""

    time_constant_s: float = 0.3
    """After so long without it, an expression has 37 % of its weight left; 0 leaves probabilities as they are."""
    dwell_s: float = 0.5
    """A label stays at least so long."""
    margin: float = 0.05
    """By how much another label must be more probable before it takes over."""

    def __post_init__(self) -> None:
        if not (0 <= self.time_constant_s < math.inf and 0 <= self.dwell_s < math.inf):
            raise InputError(
                f"Smoothing takes {self.time_constant_s} s and dwells {self.dwell_s} s; expected 0 or more."
            )
        if not 0 <= self.margin < 1:
            raise InputError(f"The margin of smoothing is {self.margin}; expected 0 to below 1.")


@dataclass(frozen=True, slots=True)
class Smoothed:
    """What a track remembers of its past."""

    probs: NDArray[np.float64]
    """(C,) smoothed probabilities; they sum to 1."""
    label: int
    """The steady label, as an index."""
    time_s: float
    """Of the last answer."""
    since_s: float
    """Since when the label is what it is."""


def smooth(
    past: Smoothed | None, probs: NDArray[np.float64], time_s: float, how: Smoothing
) -> Smoothed:
    """Take one more answer in.

    Exponential smoothing over uneven steps: an answer that is Δt younger than the last weighs 1 - exp(-Δt / τ).
    The label follows the most probable one, but only when that leads by the margin and the label has had its time.

    Args:
        past: What the track remembers; None at its start.
        probs: (C,) probabilities of this moment.
        time_s: When that is; not before ``past``.
        how: Time constant τ, dwell and margin.

    Returns:
        What it remembers now.
    """
    if past is None:
        return Smoothed(probs, int(probs.argmax()), time_s, time_s)
    step_s = max(0.0, time_s - past.time_s)
    weight = 1.0 - math.exp(-step_s / how.time_constant_s) if how.time_constant_s > 0 else 1.0
    mixed = past.probs + weight * (probs - past.probs)  # (C,)
    best = int(mixed.argmax())
    leads = best != past.label and mixed[best] - mixed[past.label] >= how.margin
    if leads and time_s - past.since_s >= how.dwell_s:
        return Smoothed(mixed, best, time_s, time_s)
    return Smoothed(mixed, past.label, time_s, past.since_s)
