"""Pictures of a data set that show the same: identical, nearly the same, or mirrored and turned across splits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.data.dataset import SPLITS, Dataset
from mien.data.likeness import close_pairs, correlations, first_identical, perceptual_hashes
from mien.data.turning import disc, mirror, turn

__all__ = ["LEAST_CORRELATION", "AlteredCopies", "Duplicates", "find_duplicates", "join"]

LEAST_CORRELATION = 0.9
"""Of 120 pairs of FER2013 between 0.90 and 0.95 that were looked at, two showed different people in like light; the
others one photograph, cropped, compressed or stamped anew. Below it, different people become common."""

_ANGLES_DEG = range(-20, 21, 5)
_CHUNK = 4096


@dataclass(frozen=True, eq=False, kw_only=True)
class AlteredCopies:
    """Held-out pictures that are a training picture, mirrored or turned. The four arrays run in parallel."""

    rows: NDArray[np.intp]
    """(K,) of the valid and test splits, in order."""
    originals: NDArray[np.intp]
    """(K,) the training row that is most like each."""
    mirrored: NDArray[np.bool_]
    """(K,) whether it is mirrored."""
    angles_deg: NDArray[np.int64]
    """(K,) by how much the held-out picture must be turned back, in steps of 5°."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Duplicates:
    """Which pictures of a data set show the same."""

    first: NDArray[np.intp]
    """(N,) the first row with the same pixels; its own number where it is the first."""
    near: NDArray[np.intp]
    """(P, 2) pairs of first rows that are not identical and correlate by `LEAST_CORRELATION` or more."""
    altered: AlteredCopies

    def identical_groups(self) -> list[NDArray[np.intp]]:
        """Return the rows of each group of two or more identical pictures."""
        return join(self.first, np.zeros((0, 2), np.intp))

    def near_groups(self) -> list[NDArray[np.intp]]:
        """Return the rows of each group that holds near pairs; identical pictures are in it too."""
        is_near = np.zeros(len(self.first), bool)
        is_near[self.near] = True
        return [group for group in join(self.first, self.near) if is_near[self.first[group]].any()]

    def copies_of_train(
        self, split: NDArray[np.uint8]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the held-out rows with an identical training picture, and those with only a near one.

        Args:
            split: (N,) indices into `SPLITS`.
        """
        held_out = split != SPLITS.index("train")
        is_known = np.zeros(len(split), bool)  # by first row
        is_known[self.first[~held_out]] = True
        beside_known = np.zeros(len(split), bool)
        for one, other in (self.near.T, self.near.T[::-1]):
            beside_known[one[is_known[other]]] = True
        identical = held_out & is_known[self.first]
        near = held_out & beside_known[self.first] & ~identical
        return np.flatnonzero(identical), np.flatnonzero(near)


def find_duplicates(dataset: Dataset) -> Duplicates:
    """Find identical, near and altered copies.

    Near means that a perceptual hash differs in few bits and that the pixels correlate. Held-out pictures without
    such a copy in training are compared once more, mirrored and turned by up to 20°.
    """
    first = first_identical(dataset.images)
    kinds = np.unique(first)  # one row for each different picture
    hashes = perceptual_hashes(dataset.images[kinds])
    one, other = close_pairs(hashes, hashes)
    ordered = one < other
    pairs = (kinds[one[ordered]], kinds[other[ordered]])
    is_near = correlations(dataset.images, dataset.images, pairs) >= LEAST_CORRELATION
    near = np.stack([pairs[0][is_near], pairs[1][is_near]], axis=1)
    plain = Duplicates(first=first, near=near, altered=_no_altered())
    return Duplicates(first=first, near=near, altered=_find_altered(dataset, plain))


def join(first: NDArray[np.intp], pairs: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Return groups of two or more rows that are identical or linked by pairs, directly or over others.

    Args:
        first: (N,) the first identical row of each.
        pairs: (P, 2) links between first rows.
    """
    parent = first.copy()

    def top(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = int(parent[row])
        return row

    for one, other in pairs.tolist():
        high, low = sorted((top(one), top(other)))
        parent[low] = high
    roots = parent
    while not np.array_equal(roots, parent[roots]):
        roots = parent[roots]
    order = np.argsort(roots, kind="stable")
    borders = np.flatnonzero(np.diff(roots[order])) + 1
    return [group for group in np.split(order, borders) if len(group) > 1]


def _no_altered() -> AlteredCopies:
    none = np.zeros(0, np.intp)
    return AlteredCopies(
        rows=none, originals=none, mirrored=none.astype(bool), angles_deg=none.astype(np.int64)
    )


def _find_altered(dataset: Dataset, plain: Duplicates) -> AlteredCopies:
    """Of each held-out picture the most alike training picture, over all ways to alter it."""
    train = np.flatnonzero(dataset.split == SPLITS.index("train"))
    held_out = dataset.split != SPLITS.index("train")
    for copies in plain.copies_of_train(dataset.split):
        held_out[copies] = False
    rows = np.flatnonzero(held_out)
    _, places = np.unique(plain.first[train], return_index=True)
    known = train[places]
    if not len(rows) or not len(known):
        return _no_altered()
    hashes = perceptual_hashes(dataset.images[known])
    inside = disc(*dataset.images.shape[1:])
    best = np.full(len(rows), LEAST_CORRELATION, np.float32)
    original = np.full(len(rows), -1, np.intp)
    mirrored = np.zeros(len(rows), bool)
    angles = np.zeros(len(rows), np.int64)
    for part, altered, flip, angle in _alterations(dataset.images, rows):
        ours, theirs = close_pairs(perceptual_hashes(altered), hashes)
        alike = correlations(altered, dataset.images, (ours, known[theirs]), inside)
        order = np.argsort(alike, kind="stable")  # the most alike is written last and stays
        ours, theirs, alike = ours[order] + part, theirs[order], alike[order]
        better = alike >= best[ours]
        best[ours[better]] = alike[better]
        original[ours[better]] = known[theirs[better]]
        mirrored[ours[better]], angles[ours[better]] = flip, angle
    found = np.flatnonzero(original >= 0)
    return AlteredCopies(
        rows=rows[found],
        originals=original[found],
        mirrored=mirrored[found],
        angles_deg=angles[found],
    )


def _alterations(
    images: NDArray[np.uint8], rows: NDArray[np.intp]
) -> Iterator[tuple[int, NDArray[np.uint8], bool, int]]:
    """Parts of the pictures, altered in each way: where the part begins, the pictures, and how they were altered."""
    for start in range(0, len(rows), _CHUNK):
        some = images[rows[start : start + _CHUNK]]
        for flip in (False, True):
            faces = mirror(some) if flip else some
            for angle in _ANGLES_DEG:
                if flip or angle:
                    yield start, turn(faces, np.full(len(faces), angle, float)), flip, angle
