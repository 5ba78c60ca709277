"""From logits to probabilities: the same for a face that is recognised and for one that is scored."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["log_softmax", "softmax"]


def log_softmax(logits: NDArray[np.floating[Any]], temperature: float = 1.0) -> NDArray[np.float64]:
    """Return the logarithm of `softmax`, exact where a probability is too small for a float."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=-1, keepdims=True)
    return np.asarray(scaled - np.log(np.exp(scaled).sum(axis=-1, keepdims=True)))


def softmax(logits: NDArray[np.floating[Any]], temperature: float = 1.0) -> NDArray[np.float64]:
    """Turn (..., C) logits into probabilities, float64, that sum to 1.

    Args:
        logits: (..., C) outputs of a network.
        temperature: Divides the logits; above 1 it makes the answers less sure.
    """
    return np.exp(log_softmax(logits, temperature))
