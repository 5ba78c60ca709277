"""Test-time views: the same face seen several times, the answers averaged.

The mean is taken over logits, not probabilities: the result is logits again, so that one temperature
calibrates it afterwards, whatever the views.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from mien.errors import UnknownNameError
from mien.preprocess import InputSpec, fit

__all__ = ["VIEWS", "Predictor", "averaged", "views_of"]

Predictor = Callable[[NDArray[np.uint8]], dict[str, NDArray[np.float32]]]
"""Maps fitted uint8 faces (N, S, S[, 3]) to logits (N, C) by head: an ONNX model's or a network's."""

VIEWS = ("none", "flip", "tencrop")
"""As they are · with their mirror · five crops, each with its mirror."""

_CROP = 44 / 48  # side of a crop over the side of the face: 44 of FER2013's 48 px


def views_of(faces: NDArray[np.uint8], views: str) -> Iterator[NDArray[np.uint8]]:
    """Yield the faces as each view shows them, always at their own size.

    Args:
        faces: uint8, (N, S, S) or (N, S, S, 3).
        views: One of `VIEWS`.

    Raises:
        UnknownNameError: If there are no such views.
    """
    if views not in VIEWS:
        raise UnknownNameError("set of views", views, VIEWS, "mien evaluate --help")
    for seen in _five_crops(faces) if views == "tencrop" else [faces]:
        yield seen
        if views != "none":
            yield np.ascontiguousarray(seen[:, :, ::-1])


def _five_crops(faces: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Yield the four corners and the centre, enlarged again the way that every face is fitted."""
    size = faces.shape[1]
    crop = max(1, round(size * _CROP))
    gap = size - crop
    spec = InputSpec(size=size, channels=3 if faces.ndim == 4 else 1)
    for top, left in ((0, 0), (0, gap), (gap, 0), (gap, gap), (gap // 2, gap // 2)):
        yield np.stack([fit(face[top : top + crop, left : left + crop], spec) for face in faces])


def averaged(
    predict: Predictor, faces: NDArray[np.uint8], views: str
) -> dict[str, NDArray[np.float32]]:
    """Return the logits of each head, averaged over the views.

    Args:
        predict: The network.
        faces: uint8, (N, S, S) or (N, S, S, 3), fitted to it.
        views: One of `VIEWS`.
    """
    answers = [predict(seen) for seen in views_of(faces, views)]
    return {
        head: np.mean([answer[head] for answer in answers], axis=0, dtype=np.float32)
        for head in answers[0]
    }
