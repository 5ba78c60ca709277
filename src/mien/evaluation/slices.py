"""Where a network is weaker: its accuracy on dark, flat, blurred and disputed pictures, and on any group.

FER2013 says nothing about the people in it, so how fair a network is to them is not measured here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.evaluation.intervals import Estimate, wilson

__all__ = [
    "MIN_GROUP",
    "SHUFFLES",
    "UNMEASURED",
    "Group",
    "Slice",
    "check_names",
    "picture_groups",
    "slice_scores",
    "thirds",
    "vote_groups",
]

MIN_GROUP = 30
"""Groups with fewer pictures are left out: their interval would be wider than any gap worth finding."""

SHUFFLES = 2_000
"""Random divisions to which the gap of a slice is compared."""

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
    """Those with enough pictures."""
    chance: float
    """How often a division at random, into groups of the same sizes, has a gap at least as wide: 0 to 1."""
    left_out: int = 0
    """Pictures in groups that are too small."""

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
        return {
            "groups": groups,
            "worst": self.worst.name,
            "gap": self.gap,
            "chance": self.chance,
            "left_out": self.left_out,
        }


def slice_scores(
    correct: NDArray[np.bool_],
    divisions: Mapping[str, Sequence[str] | NDArray[np.str_]],
    min_group: int = MIN_GROUP,
) -> tuple[Slice, ...]:
    """Score each group of each division; divisions with fewer than two groups of some size are left out.

    Args:
        correct: (n,) whether each answer was right: ``result.predictions == result.targets``.
        divisions: For each division (n,) names of groups; a column of your own is as good as ours.
        min_group: Groups with fewer pictures are left out, at least 1.

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
            if len(inside) >= max(1, min_group):
                groups.append(_group(str(group), int(inside.sum()), len(inside)))
        if len(groups) > 1:
            groups.sort(key=lambda group: _order(group.name, _THIRDS.get(name, ())))
            slices.append(
                Slice(
                    name=name,
                    groups=tuple(groups),
                    chance=_chance(groups),
                    left_out=len(correct) - sum(group.n for group in groups),
                )
            )
    return tuple(slices)


def _order(name: str, thirds_names: Sequence[str]) -> int:
    """Thirds stand from the lowest to the highest, whether they have names of ours or are ranges of numbers."""
    if name in thirds_names:
        return thirds_names.index(name)
    return {"≤": 0, ">": 2}.get(name[:1], 1)


def _group(name: str, hits: int, n: int) -> Group:
    low, high = wilson(hits, n)
    return Group(name=name, n=n, accuracy=Estimate(hits / n, low, high))


def _chance(groups: Sequence[Group]) -> float:
    """Deal the right answers out at random to groups of these sizes, and count gaps as wide as the real one.

    Of several groups one is always the worst: a gap means something only when chance seldom makes it as wide.
    """
    sizes = np.array([group.n for group in groups])
    hits = np.array([round(group.accuracy.value * group.n) for group in groups])
    # The same draws every time: the answer is a function of the counts, not of the day.
    dealt = np.random.default_rng(0).multivariate_hypergeometric(
        sizes, int(hits.sum()), size=SHUFFLES, method="marginals"
    )
    # A share of hits is an exact fraction; a hair is taken off so that rounding loses no tie.
    gaps = np.ptp(dealt / sizes, axis=1)
    return float((1 + (gaps >= np.ptp(hits / sizes) - 1e-12).sum()) / (1 + SHUFFLES))


def check_names(columns: Iterable[str], *, has_votes: bool) -> None:
    """Refuse columns of one's own that are called as a division that mien makes itself.

    Args:
        columns: Their names.
        has_votes: Whether pictures are divided by their votes too: see `vote_groups`.

    Raises:
        InputError: If one is.
    """
    both = sorted({*columns} & ({*_THIRDS} if has_votes else {*_THIRDS} - {"votes"}))
    if both:
        raise InputError(
            f"The column '{both[0]}' is called as a slice that mien makes itself; give it another name."
        )


def picture_groups(images: NDArray[np.uint8]) -> dict[str, NDArray[np.str_]]:
    """Divide grey pictures (n, H, W) into thirds by brightness, contrast and sharpness.

    Sharpness is the variance of the Laplacian, which noise raises as edges do.

    Source:
        Pech-Pacheco et al. 2000, https://doi.org/10.1109/ICPR.2000.903548
    """
    pixels = images.astype(np.float32)
    edges = np.array([cv2.Laplacian(image, cv2.CV_32F).var() for image in pixels])
    return {
        "brightness": thirds(pixels.mean(axis=(1, 2)), _THIRDS["brightness"]),
        "contrast": thirds(pixels.std(axis=(1, 2)), _THIRDS["contrast"]),
        "sharpness": thirds(edges, _THIRDS["sharpness"]),
    }


def vote_groups(shares: NDArray[np.float64]) -> dict[str, NDArray[np.str_]]:
    """Divide pictures into thirds by the entropy of their (n, C) shares of the votes."""
    entropy = -(shares * np.log(np.maximum(shares, np.finfo(np.float64).tiny))).sum(axis=1)
    return {"votes": thirds(entropy, _THIRDS["votes"])}


def thirds(values: NDArray[np.floating[Any]], names: Sequence[str]) -> NDArray[np.str_]:
    """Name the third in which each of (n,) values lies, the lowest first; equal values lie in the same one."""
    lower, upper = np.quantile(values, [1 / 3, 2 / 3])
    place = (values > lower).astype(int) + (values > upper)
    named: NDArray[np.str_] = np.array(names)[place]
    return named
