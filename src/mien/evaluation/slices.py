"""Where a network is weaker: its accuracy on dark, flat, blurred and disputed pictures, and on any group.

FER2013 says nothing about the people in it, so how fair a network is to them is not measured here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.evaluation.intervals import Estimate, wilson

__all__ = [
    "MIN_GROUP",
    "UNMEASURED",
    "Group",
    "Slice",
    "picture_groups",
    "slice_scores",
    "vote_groups",
]

MIN_GROUP = 30
"""Groups with fewer pictures are left out: their interval would be wider than any gap worth finding."""

UNMEASURED = "The data says nothing about the people in it, so fairness between groups of people is not measured."

_THIRDS = {
    "brightness": ("dark", "middle", "bright"),
    "contrast": ("flat", "middle", "strong"),
    "sharpness": ("blurred", "middle", "sharp"),
    "votes": ("agreed", "middle", "disputed"),
}


@dataclass(frozen=True, kw_only=True)
class Group:
    """The pictures of a slice that are alike."""

    name: str
    n: int
    accuracy: Estimate


@dataclass(frozen=True, kw_only=True)
class Slice:
    """One way to divide the pictures."""

    name: str
    groups: tuple[Group, ...]
    """Those with at least `MIN_GROUP` pictures."""

    @property
    def worst(self) -> Group:
        """The group with the lowest accuracy."""
        return min(self.groups, key=lambda group: group.accuracy.value)

    @property
    def gap(self) -> float:
        """Accuracy of the best group minus that of the worst."""
        return max(group.accuracy.value for group in self.groups) - self.worst.accuracy.value

    def as_dict(self) -> dict[str, Any]:
        """Return the slice for a result row."""
        groups = {
            group.name: {"n": group.n, "accuracy": group.accuracy.as_dict()}
            for group in self.groups
        }
        return {"groups": groups, "worst": self.worst.name, "gap": self.gap}


def slice_scores(
    correct: NDArray[np.bool_], divisions: Mapping[str, Sequence[str] | NDArray[np.str_]]
) -> tuple[Slice, ...]:
    """Score each group of each division; divisions with fewer than two groups of some size are left out.

    Args:
        correct: (n,) whether each answer was right: ``result.predictions == result.targets``.
        divisions: For each division (n,) names of groups; a column of your own is as good as ours.

    Raises:
        InputError: If a division does not name a group for each picture.
    """
    slices = []
    for name, column in divisions.items():
        members = np.asarray(column)
        if members.shape != correct.shape:
            raise InputError(
                f"The division '{name}' names {len(members)} groups for {len(correct)} pictures; expected one each."
            )
        groups = []
        for group in dict.fromkeys(members.tolist()):
            inside = correct[members == group]
            if len(inside) >= MIN_GROUP:
                hits = int(inside.sum())
                low, high = wilson(hits, len(inside))
                groups.append(
                    Group(
                        name=str(group),
                        n=len(inside),
                        accuracy=Estimate(hits / len(inside), low, high),
                    )
                )
        if len(groups) > 1:
            order = _THIRDS.get(name, ())
            groups.sort(
                key=lambda group: order.index(group.name) if group.name in order else len(order)
            )
            slices.append(Slice(name=name, groups=tuple(groups)))
    return tuple(slices)


def picture_groups(images: NDArray[np.uint8]) -> dict[str, NDArray[np.str_]]:
    """Divide grey pictures (n, H, W) into thirds by brightness, contrast and sharpness.

    Sharpness is the variance of the Laplacian, which noise raises as edges do.

    Source:
        Pech-Pacheco et al. 2000, https://doi.org/10.1109/ICPR.2000.903548
    """
    pixels = images.astype(np.float32)
    edges = np.array([cv2.Laplacian(image, cv2.CV_32F).var() for image in pixels])
    return {
        "brightness": _thirds(pixels.mean(axis=(1, 2)), "brightness"),
        "contrast": _thirds(pixels.std(axis=(1, 2)), "contrast"),
        "sharpness": _thirds(edges, "sharpness"),
    }


def vote_groups(shares: NDArray[np.float64]) -> dict[str, NDArray[np.str_]]:
    """Divide pictures into thirds by the entropy of their (n, C) shares of the votes."""
    entropy = -(shares * np.log(np.maximum(shares, np.finfo(np.float64).tiny))).sum(axis=1)
    return {"votes": _thirds(entropy, "votes")}


def _thirds(values: NDArray[np.floating[Any]], name: str) -> NDArray[np.str_]:
    """Name the third in which each value lies; equal values lie in the same one."""
    lower, upper = np.quantile(values, [1 / 3, 2 / 3])
    place = (values > lower).astype(int) + (values > upper)
    names: NDArray[np.str_] = np.array(_THIRDS[name])[place]
    return names
