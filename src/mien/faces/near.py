"""A look only at where a known face should be: is what was found there that face, and all of it?"""

from __future__ import annotations

from collections.abc import Iterable

from mien.faces.looks import is_cut_off
from mien.faces.overlap import overlap
from mien.types import Box, Detection, Image

__all__ = ["found_again"]

_LEAST_OVERLAP = 0.4
"""So much of the smaller of two boxes, the expected and the found one, must be shared."""
_MAX_GROWTH = 1.5
"""A face that is so much larger or smaller than it was is another one, or was seen only in part."""


def found_again(
    found: Iterable[Detection], face: Box, window: Box, scale: float, image: Image
) -> Detection | None:
    """Return the detection of a known face; None if there is none to be relied on.

    Args:
        found: What was found in the window, in pixels of the picture.
        face: Where the face was expected.
        window: What was searched, in pixels of the picture at ``scale``.
        scale: At which it was searched.
        image: The picture. Only at its own border may a face be cut off.
    """
    best = max(found, key=lambda one: overlap(one.box, face), default=None)
    if best is None or overlap(best.box, face) < _LEAST_OVERLAP:
        return None
    growth = max(best.box.w, best.box.h) / max(face.w, face.h)
    if not 1 / _MAX_GROWTH <= growth <= _MAX_GROWTH:
        return None
    return None if is_cut_off(best.box, window, scale, image) else best
