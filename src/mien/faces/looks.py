"""How closely a picture is looked at, one look after the other, and in which parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mien.faces.overlap import distinct, overlap
from mien.types import Box, Detection, Image

__all__ = [
    "CELL_PX",
    "LARGE_PX",
    "elsewhere",
    "is_cut_off",
    "is_much_closer",
    "joined",
    "sides",
    "tiles",
]

CELL_PX = 32
"""YuNet's coarsest cells. Parts begin at their borders, so that cells lie as in a look at everything."""

LARGE_PX = 40
"""A face of this side in a look is known well enough; smaller ones, which closer looks may know better, are also missed."""

_STEPS = (2, 3, 3)
"""How much closer each look is than the one before. What one misses, below `LARGE_PX`, is within YuNet's 300 px in the next."""
_MUCH_CLOSER = 1.5
"""A look that is less closer than that hardly shows other faces: it replaces the one before, or comes only if that saw
nothing, or small ones."""

_TILE_PX = 1024
"""A look at 4,096 × 3,072 px in one piece takes 0.9 GB."""
_SAME = 0.4
"""A box that shares this part of the smaller of the two with a large face shows it, or a part of it."""


def sides(first_px: int, last_px: int, longer_px: int) -> list[int]:
    """Return the longer sides at which a picture is looked at.

    Args:
        first_px: Of the first look.
        last_px: Of the last and closest one; ``first_px`` or less for none.
        longer_px: The picture's own longer side; no look enlarges it, but the first may.

    Returns:
        One side or more, ever larger.
    """
    last_px = min(last_px, longer_px)
    found = [first_px]
    for step in _STEPS:
        if found[-1] * step * _MUCH_CLOSER > last_px:
            break
        found.append(found[-1] * step)
    return [*found, last_px] if last_px > found[-1] else found


def is_much_closer(side_px: int, before_px: int) -> bool:
    """Whether a look may show faces that the one before cannot, whatever that showed."""
    return side_px >= _MUCH_CLOSER * before_px


def tiles(width: int, height: int, reach_px: int) -> Iterator[Box]:
    """Cut a look into parts that share ``reach_px``, so that each face up to that size is whole in one of them.

    Args:
        width: Of the picture at the look's scale, px.
        height: The same.
        reach_px: The side of the largest face that the look is for, px.
    """
    for top, bottom in _spans(height, reach_px):
        for left, right in _spans(width, reach_px):
            yield Box(left, top, right - left, bottom - top)


def _spans(length: int, reach_px: int) -> list[tuple[int, int]]:
    """Cut one side into spans of about the same length, each from a cell's border."""
    shared = -(-reach_px // CELL_PX) * CELL_PX
    if length <= _TILE_PX:
        return [(0, length)]
    count = -(-(length - shared) // max(CELL_PX, _TILE_PX - shared))
    step = -(-(length - shared) // (count * CELL_PX)) * CELL_PX
    return [
        (start, min(length, start + step + shared)) for start in range(0, length - shared, step)
    ]


def is_cut_off(box: Box, part: Box, scale: float, image: Image) -> bool:
    """Whether a face reaches the border of the part in which it was seen, where the picture goes on.

    Args:
        box: In pixels of the picture.
        part: What was searched, in pixels of the picture at ``scale``.
        scale: At which it was searched.
        image: The picture. Only at its own border may a face end.
    """
    height, width = image.shape[:2]
    return any(
        (start > 0 and low <= start / scale)
        or ((start + length) / scale < limit and high >= (start + length) / scale)
        for low, high, start, length, limit in (
            (box.x, box.x + box.w, part.x, part.w, width),
            (box.y, box.y + box.h, part.y, part.h, height),
        )
    )


def elsewhere(seen: Sequence[Detection], known: Sequence[Detection]) -> list[Detection]:
    """Return what was seen where none of the known faces is."""
    return [face for face in seen if all(overlap(face.box, one.box) <= _SAME for one in known)]


def joined(
    known: Sequence[Detection], large: Sequence[bool], seen: Sequence[Detection]
) -> list[Detection]:
    """Add what a closer look saw to what is known, each face once.

    Args:
        known: From the looks before.
        large: For each, whether it was large in one of them: then it stays as it is, and a closer look, which may
            see but a part of it, only adds what lies elsewhere.
        seen: In the closer look.
    """
    kept = [face for face, is_large in zip(known, large, strict=True) if is_large]
    rest = [face for face, is_large in zip(known, large, strict=True) if not is_large]
    return [*kept, *distinct([*rest, *elsewhere(seen, kept)])]
