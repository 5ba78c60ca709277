"""Boxes that show the same face."""

from __future__ import annotations

from collections.abc import Iterable

from mien.types import Box, Detection

__all__ = ["distinct", "overlap"]

_MAX_OVERLAP = 0.4
"""Of two boxes that share more than this part of the smaller one, the better stays: one face, seen twice."""


def distinct(found: Iterable[Detection]) -> list[Detection]:
    """Return the best of boxes that overlap, the highest score first."""
    kept: list[Detection] = []
    for face in sorted(found, key=lambda face: -face.score):
        if all(overlap(face.box, other.box) <= _MAX_OVERLAP for other in kept):
            kept.append(face)
    return kept


def overlap(one: Box, other: Box) -> float:
    """Return the shared area in areas of the smaller box, 0 to 1."""
    w = min(one.x + one.w, other.x + other.w) - max(one.x, other.x)
    h = min(one.y + one.h, other.y + other.h) - max(one.y, other.y)
    return max(0, w) * max(0, h) / min(one.w * one.h, other.w * other.h)
