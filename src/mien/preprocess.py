"""The one path from a face's pixels to a network's input.

Training, evaluation, ONNX and the recogniser all come through here; what differs between two models
is their `InputSpec`, which travels inside the model file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.types import Image, check_image

__all__ = ["InputSpec", "fit", "normalise", "to_inputs"]

Pixels = TypeVar("Pixels")
"""A float32 NumPy array or torch tensor: both know the same arithmetic."""


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """What a network expects to see."""

    size: int = 48
    """Height and width of the face, px."""
    channels: int = 1
    """1 for grey, 3 for RGB."""
    mean: float = 0.5
    """Subtracted from pixels in [0, 1]."""
    std: float = 0.5
    """Divides what is left."""

    def __post_init__(self) -> None:
        if not 8 <= self.size <= 1024:
            raise InputError(f"The input size is {self.size} px; expected 8 to 1024.")
        if self.channels not in (1, 3):
            raise InputError(
                f"The input has {self.channels} channels; expected 1 (grey) or 3 (RGB)."
            )
        if not all(math.isfinite(figure) for figure in (self.mean, self.std)):
            raise InputError(
                f"The input's mean and std are {self.mean} and {self.std}; expected finite numbers."
            )
        if self.std <= 0:
            raise InputError(f"The input's std is {self.std}; expected a positive number.")

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, for a model file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> InputSpec:
        """Read the fields back.

        Raises:
            InputError: If a field is unknown, missing or out of range.
        """
        for name in ("size", "channels"):
            if type(fields.get(name, 0)) is not int:
                raise InputError(
                    f"The input's {name} is {fields[name]!r}; expected a whole number."
                )
        try:
            return cls(**fields)
        except TypeError as error:
            raise InputError(f"The input specification cannot be read: {error}.") from None


def fit(image: Image, spec: InputSpec) -> Image:
    """Bring one face crop to the network's size and colours.

    Args:
        image: uint8, (H, W, 3) RGB or (H, W) grey, of any size.
        spec: What the network expects.

    Returns:
        uint8, (size, size) when grey, (size, size, 3) when RGB.

    Raises:
        InputError: If the array is no picture.
    """
    image = check_image(image, "A face")
    if spec.channels == 1 and image.ndim == 3:
        image = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    elif spec.channels == 3 and image.ndim == 2:
        image = np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB), np.uint8)
    if image.shape[:2] == (spec.size, spec.size):
        return image
    # Averaging keeps a shrunken face free of aliasing, as FER2013's own faces are.
    shrinks = max(image.shape[:2]) > spec.size
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (spec.size, spec.size), interpolation=method), np.uint8)


def normalise(pixels: Pixels, spec: InputSpec) -> Pixels:
    """Scale float32 pixels in [0, 255] to what the network was trained on; NumPy and torch alike."""
    array: Any = pixels
    scaled: Pixels = (array / 255.0 - spec.mean) / spec.std
    return scaled


def to_inputs(images: NDArray[np.uint8], spec: InputSpec) -> NDArray[np.float32]:
    """Turn fitted faces into the network's input.

    Args:
        images: uint8, (N, size, size) when grey, (N, size, size, 3) when RGB.
        spec: What the network expects.

    Returns:
        float32, (N, channels, size, size), contiguous.

    Raises:
        InputError: If the faces are not of the network's size and colours.
    """
    expected = (spec.size, spec.size) if spec.channels == 1 else (spec.size, spec.size, 3)
    if images.shape[1:] != expected or images.dtype != np.uint8:
        raise InputError(
            f"Faces are {images.dtype} {images.shape[1:]}; this model takes uint8 {expected}. "
            "Fit each one first: mien.preprocess.fit"
        )
    pixels = images[:, None] if spec.channels == 1 else images.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(normalise(pixels.astype(np.float32), spec))
