"""Faces mirrored and turned about their middle, for the offline merge and for finding its traces."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["disc", "mirror", "turn"]


def mirror(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (N, H, W) pictures with left and right exchanged."""
    return np.ascontiguousarray(images[:, :, ::-1])


def turn(images: NDArray[np.uint8], angles_deg: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Turn each picture about its middle, at its own size.

    The face is neither moved nor scaled, and whatever lies in the largest `disc` stays in the picture; only its
    corners leave it. The corners that come in are filled with the nearest pixels of the edge.

    Args:
        images: (N, H, W) grey.
        angles_deg: (N,) positive is against the clock.

    Returns:
        (N, H, W) grey.
    """
    height, width = images.shape[1:]
    # Pixels have their middle at whole numbers, so the middle of 48 of them is 23.5: at 24 the face would move.
    middle = ((width - 1) / 2, (height - 1) / 2)
    turned = np.empty_like(images, shape=images.shape)
    for row, angle in enumerate(angles_deg.tolist()):
        how = cv2.getRotationMatrix2D(middle, angle, 1.0)
        cv2.warpAffine(
            images[row], how, (width, height), dst=turned[row], borderMode=cv2.BORDER_REPLICATE
        )
    return turned


def disc(height: int, width: int) -> NDArray[np.bool_]:
    """Return (height, width) the largest disc of a picture: what turning never takes out of it."""
    down = np.arange(height)[:, None] - (height - 1) / 2
    across = np.arange(width) - (width - 1) / 2
    radius = (min(height, width) - 1) / 2
    return np.asarray(down**2 + across**2 <= radius**2)
