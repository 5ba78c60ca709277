"""Predictions of a run in few letters, so that they can lie in a database beside its scores."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["pack", "unpack"]


def pack(classes: NDArray[np.integer[Any]]) -> str:
    """Write (N,) classes below 256 as text."""
    return base64.b64encode(zlib.compress(classes.astype(np.uint8).tobytes(), 9)).decode("ascii")


def unpack(text: str) -> NDArray[np.int64]:
    """Read what `pack` wrote."""
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).astype(np.int64)
