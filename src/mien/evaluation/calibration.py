"""Temperature scaling: the one number that makes a network's confidence mean its accuracy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.softmax import log_softmax

__all__ = ["TEMPERATURES", "fit_temperature"]

TEMPERATURES = (0.05, 20.0)
"""Between these a temperature is sought; a network that would need more is broken, not overconfident."""

_GOLDEN = (math.sqrt(5) - 1) / 2
_TOLERANCE = 1e-6  # in log temperature


def fit_temperature(logits: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]) -> float:
    """Find the temperature under which the labels are most likely.

    Fit it on the validation split, after everything else was chosen; never on the split that is reported.

    Args:
        logits: (N, C) outputs of a network.
        labels: (N,) classes in [0, C).

    Returns:
        The temperature, within `TEMPERATURES`; an end of that range when the labels want more.

    Raises:
        InputError: If there are no rows, or logits and labels do not fit together.

    Source:
        Guo et al. 2017, https://arxiv.org/abs/1706.04599
    """
    if logits.ndim != 2 or not len(labels) or labels.shape != logits.shape[:1]:
        raise InputError(
            f"Logits {logits.shape} and labels {labels.shape} cannot be calibrated; expected (N, C) and (N,)."
        )
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        return float(-log_softmax(logits, math.exp(log_temperature))[rows, labels].mean())

    # The loss is convex in 1/T, so it has one valley in log T too, and golden sections cannot miss it.
    low, high = (math.log(t) for t in TEMPERATURES)
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    loss_left, loss_right = loss(left), loss(right)
    while high - low > _TOLERANCE:
        if loss_left < loss_right:
            high, right, loss_right = right, left, loss_left
            left = high - _GOLDEN * (high - low)
            loss_left = loss(left)
        else:
            low, left, loss_left = left, right, loss_right
            right = low + _GOLDEN * (high - low)
            loss_right = loss(right)
    return math.exp((low + high) / 2)
