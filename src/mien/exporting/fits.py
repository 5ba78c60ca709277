"""The convex fits of a last layer: its weights over features, and offsets of the classes over logits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "NUM_FOLDS",
    "accuracy",
    "accuracy_on_others",
    "both_views",
    "class_offsets",
    "new_weights",
]

NUM_FOLDS = 10
"""Parts of the validation faces: offsets fitted without a part are judged on it."""

_MOST_STEPS = 500
_CHANGE, _SLOPE = 1e-7, 1e-5  # where L-BFGS stops, nats: far below what any answer depends on


def new_weights(
    features: Tensor, labels: Tensor, weight: Tensor, bias: Tensor, penalty: float
) -> tuple[Tensor, Tensor]:
    """Return (C, F) weights and (C,) offsets that fit (n, F) features and (n,) labels, near those that were there."""
    mean, deviation = features.mean(dim=0), features.std(dim=0) + 1e-6
    start, scaled = features @ weight.T + bias, (features - mean) / deviation
    moved, added = (
        torch.zeros_like(weight, requires_grad=True),
        torch.zeros_like(bias, requires_grad=True),
    )

    def loss() -> Tensor:
        fitted = F.cross_entropy(start + scaled @ moved.T + added, labels)
        # A label without faces would go on falling, if offsets had no prior here too.
        return fitted + penalty * moved.square().sum() + added.square().sum() / (2 * len(labels))

    _minimise(loss, [moved, added])
    step = moved.detach() / deviation
    return weight + step, bias + added.detach() - step @ mean


def class_offsets(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the factor of all logits, and (C,) offsets, under which (n,) labels are most likely.

    Args:
        logits: (2 n, C) of n faces, and of their mirror images after them.
        labels: (n,).
    """
    factor = torch.ones((), requires_grad=True)
    offsets = torch.zeros(logits.shape[1], requires_grad=True)

    def loss() -> Tensor:
        fitted = F.cross_entropy(logits * factor + offsets, labels.repeat(2))
        # A normal prior of one nat: a class with a handful of faces keeps what it had.
        return fitted + offsets.square().sum() / (2 * len(labels))

    _minimise(loss, [factor, offsets])
    return factor.detach(), offsets.detach()


def accuracy_on_others(logits: Tensor, labels: Tensor) -> float | None:
    """Return the accuracy on each part of the faces with the offsets that the other parts want."""
    if len(labels) < NUM_FOLDS:
        return None
    folds = torch.from_numpy(np.random.default_rng(0).permutation(len(labels)) % NUM_FOLDS)
    right = 0
    for fold in range(NUM_FOLDS):
        others, held = folds != fold, folds == fold
        factor, offsets = class_offsets(logits[others.repeat(2)], labels[others])
        answers = both_views(logits)[held] * factor + offsets
        right += int((answers.argmax(dim=1) == labels[held]).sum())
    return right / len(labels)


def _minimise(loss: Callable[[], Tensor], variables: list[Tensor]) -> None:
    """Bring a convex loss to its lowest point."""
    optimizer = torch.optim.LBFGS(
        variables,
        max_iter=_MOST_STEPS,
        tolerance_change=_CHANGE,
        tolerance_grad=_SLOPE,
        line_search_fn="strong_wolfe",
    )

    def step() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(step)  # type: ignore[no-untyped-call]


def both_views(logits: Tensor) -> Tensor:
    """Return (n, C) means of the faces' logits and their mirror images', from (2 n, C)."""
    return logits.view(2, -1, logits.shape[1]).mean(dim=0)


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Return the part of (n,) labels that (n, C) logits name."""
    return float((logits.argmax(dim=1) == labels).float().mean())
