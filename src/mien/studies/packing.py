"""Predictions of a run in few letters, so that they can lie in a database beside its scores."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["pack", "unpack"]

_WIDE = "wide:"
"""Before what holds a class above 255; no text of one byte a class begins so, as base64 has no colon."""


def pack(classes: NDArray[np.integer[Any]]) -> str:
    """Write (N,) classes below 65,536 as text."""
    is_wide = classes.max(initial=0) > np.iinfo(np.uint8).max
    data = classes.astype("<u2" if is_wide else "u1").tobytes()
    text = base64.b64encode(zlib.compress(data, 9)).decode("ascii")
    return f"{_WIDE}{text}" if is_wide else text


def unpack(text: str) -> NDArray[np.int64]:
    """Read what `pack` wrote."""
    data = zlib.decompress(base64.b64decode(text.removeprefix(_WIDE)))
    return np.frombuffer(data, "<u2" if text.startswith(_WIDE) else "u1").astype(np.int64)
