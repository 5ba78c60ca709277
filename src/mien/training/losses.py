"""The loss of one head for a batch: cross-entropy with its targets."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["head_loss"]


def head_loss(
    logits: Tensor,
    probs: Tensor,
    counts: Tensor,
    label_smoothing: float = 0.0,
    any_of: bool = False,
) -> Tensor:
    """Mean cross-entropy over the rows that count.

    Args:
        logits: (N, C).
        probs: (N, C) target distributions; with ``any_of``, ones at every right answer.
        counts: (N,) weights in [0, 1]; a batch in which nothing counts has loss 0.
        label_smoothing: Part of the target spread evenly over all classes (Szegedy et al. 2016).
        any_of: Take the most probable right answer as the target, the multi-target loss of
            Barsoum et al. 2016 (https://arxiv.org/abs/1608.01041, section 4.3).

    Returns:
        A scalar, in nats.
    """
    log_probs = F.log_softmax(logits.float(), dim=1)
    if any_of:
        losses = -log_probs.masked_fill(probs <= 0, -torch.inf).amax(dim=1)
        losses = losses.masked_fill(counts <= 0, 0.0)
    else:
        if label_smoothing:
            probs = probs * (1 - label_smoothing) + label_smoothing / probs.shape[1]
        losses = -(probs * log_probs).sum(dim=1)
    return (losses * counts).sum() / counts.sum().clamp(min=1e-6)
