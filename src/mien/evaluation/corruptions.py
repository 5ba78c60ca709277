"""The same faces in worse pictures: darker, blurred, turned, partly covered, each at three levels.

The middle level is the one to compare networks by. Lengths are shares of the picture's side, so that they mean the same
at any size. Most of what they stand for is in ImageNet-C (Hendrycks & Dietterich 2019,
https://arxiv.org/abs/1903.12261), whose blurs of 1 to 6 px on 224 px are 0.2 to 1.3 px on 48.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.registry import Registry

__all__ = ["CORRUPTIONS", "MIDDLE", "Corruption", "corrupt"]

MIDDLE = 1
"""Which of the three levels networks are compared by."""

Grey = NDArray[np.uint8]
"""One picture, (H, W)."""

_FER2013_PX = 48  # blurs are told in pixels of a FER2013 face


@dataclass(frozen=True, kw_only=True)
class Corruption:
    """One way in which a picture of a face gets worse."""

    name: str
    levels: tuple[float, float, float]
    """From mild to strong."""
    what: str
    """What a level says, with a place for the level: ``"light × {:g}"``."""
    apply: Callable[[Grey, float, np.random.Generator], Grey]
    """Maps a picture, a level and luck to the worse picture, of the same shape."""

    def describe(self, level: int) -> str:
        """Return a level (0 to 2) in words: ``"light × 0.5"``."""
        return self.what.format(self.levels[level])


def corrupt(
    images: NDArray[np.uint8],
    name: str,
    level: int,
    seed: int = 0,
    numbers: NDArray[np.integer[Any]] | None = None,
) -> NDArray[np.uint8]:
    """Make pictures worse.

    A picture's number always brings it the same luck (which way it turns, where it is covered), whatever the level and
    whichever pictures are beside it, so that levels and networks are compared on the same changes.

    Args:
        images: uint8 (N, H, W), grey.
        name: One of `CORRUPTIONS`.
        level: 0 mild, 1 middle, 2 strong.
        seed: Of the luck.
        numbers: (N,) of the pictures, each from 0; None counts them.

    Returns:
        uint8 (N, H, W).

    Raises:
        UnknownNameError: If there is no such corruption.
        InputError: If the level is none of the three.
    """
    chosen = CORRUPTIONS[name]
    if level not in range(len(chosen.levels)):
        raise InputError(f"A corruption has the levels 0, 1 and 2; got {level}.")
    amount = chosen.levels[level]
    places = range(len(images)) if numbers is None else numbers.tolist()
    key = zlib.crc32(name.encode())  # Python's own hash of a text differs from run to run
    return np.stack(
        [
            chosen.apply(image, amount, np.random.default_rng([seed, key, place]))
            for place, image in zip(places, images, strict=True)
        ]
    )


def _relit(image: Grey, factor: float, _: np.random.Generator) -> Grey:
    # Also for less light: what was clipped when the picture was taken stays clipped.
    return np.asarray(np.clip(np.rint(image * factor), 0, 255), np.uint8)


def _blurred(image: Grey, sigma_px: float, _: np.random.Generator) -> Grey:
    sigma = sigma_px * max(image.shape) / _FER2013_PX
    return np.asarray(
        cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), np.uint8
    )


def _as_jpeg(image: Grey, quality: float, _: np.random.Generator) -> Grey:
    done, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    assert done
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.uint8)


def _turned(image: Grey, degrees: float, luck: np.random.Generator) -> Grey:
    height, width = image.shape
    centre = ((width - 1) / 2, (height - 1) / 2)
    return _moved(image, cv2.getRotationMatrix2D(centre, degrees * _sign(luck), 1.0))


def _shifted(image: Grey, percent: float, luck: np.random.Generator) -> Grey:
    height, width = image.shape
    share = percent / 100
    right, down = _sign(luck) * share * width, _sign(luck) * share * height
    return _moved(image, np.array([[1, 0, right], [0, 1, down]]))


def _moved(image: Grey, matrix: NDArray[Any]) -> Grey:
    """What comes in from outside repeats the edge, as it does in training."""
    height, width = image.shape
    moved = cv2.warpAffine(
        image,
        np.asarray(matrix, np.float64),
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(moved, np.uint8)


def _shrunken(image: Grey, percent: float, _: np.random.Generator) -> Grey:
    """Small and enlarged again, as `preprocess.fit` would do with a small face."""
    height, width = image.shape
    small = (max(1, round(width * percent / 100)), max(1, round(height * percent / 100)))
    shrunk = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def _covered(image: Grey, percent: float, luck: np.random.Generator) -> Grey:
    """A square of one random grey: a hand, a cup, a mask; the mean that training erases with would be too kind."""
    height, width = image.shape
    rows, columns = math.ceil(height * percent / 100), math.ceil(width * percent / 100)
    # The same point of the picture at every level: the square grows around it.
    across, down, grey = luck.random(), luck.random(), luck.integers(0, 256)
    left, top = round(across * (width - columns)), round(down * (height - rows))
    covered = image.copy()
    covered[top : top + rows, left : left + columns] = grey
    return covered


def _sign(luck: np.random.Generator) -> int:
    return 1 if luck.random() < 0.5 else -1


CORRUPTIONS: Registry[Corruption] = Registry(
    "corruption",
    "mien robustness --help",
    (
        Corruption(name="darker", levels=(0.7, 0.5, 0.3), what="light × {:g}", apply=_relit),
        Corruption(
            name="brighter", levels=(1.25, 1.5, 2.0), what="light × {:g}, clipped", apply=_relit
        ),
        Corruption(
            name="blurred",
            levels=(0.5, 1.0, 1.5),
            what="Gaussian blur, {:g} px in 48",
            apply=_blurred,
        ),
        Corruption(name="jpeg", levels=(50, 30, 15), what="JPEG, quality {:g}", apply=_as_jpeg),
        Corruption(name="rotated", levels=(8, 15, 25), what="turned by ±{:g}°", apply=_turned),
        Corruption(
            name="shifted",
            levels=(5, 10, 15),
            what="moved by {:g} % both ways",
            apply=_shifted,
        ),
        Corruption(
            name="half-size",
            levels=(67, 50, 33),
            what="shrunken to {:g} %",
            apply=_shrunken,
        ),
        Corruption(
            name="covered",
            levels=(30, 40, 50),
            what="a square of {:g} % of the side",
            apply=_covered,
        ),
    ),
)
"""What `mien robustness` does to faces."""
