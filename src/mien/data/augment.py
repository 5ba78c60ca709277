"""Random changes to a whole batch of faces at once, each a pure function of (seed, epoch, row).

One `grid_sample` does flip, turn, scale and shift together: about a second an epoch of FER2013 on two cores.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from mien.data.degrade import compress, shrink

__all__ = ["Augmentation", "augment", "draw", "mixing"]

_FLIP, _TURN, _SCALE, _SHIFT_X, _SHIFT_Y, _BRIGHT, _CONTRAST, _ERASE, _SIDE, _LEFT, _TOP = range(11)
_JPEG, _QUALITY, _SHRINK, _SMALL = range(11, 15)
NUM_CHANCES = 15


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How strong each change is; `recipe.AugmentOptions` says what the fields mean."""

    flip: bool = False
    rotate_deg: float = 0.0
    scale: float = 0.0
    shift: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    erase: float = 0.0
    erase_px: tuple[int, int] = (6, 18)
    jpeg: float = 0.0
    jpeg_quality: tuple[int, int] = (20, 80)
    shrink: float = 0.0
    shrink_px: tuple[int, int] = (16, 36)

    @property
    def moves(self) -> bool:
        """Whether pixels change their place."""
        return bool(self.flip or self.rotate_deg or self.scale or self.shift)


def draw(num_rows: int, seed: int, epoch: int) -> NDArray[np.float32]:
    """Draw an epoch's chances: (num_rows, 15), uniform in [0, 1); row i belongs to training image i."""
    generator = np.random.default_rng([seed, epoch, 1])
    return generator.random((num_rows, NUM_CHANCES), dtype=np.float32)


def mixing(alpha: float, seed: int, epoch: int, step: int) -> float:
    """Draw a batch's mixup share from Beta(alpha, alpha): a number in [0, 1]."""
    return float(np.random.default_rng([seed, epoch, 2, step]).beta(alpha, alpha))


def augment(images: Tensor, chances: Tensor, how: Augmentation, size: int) -> Tensor:
    """Change a batch of faces.

    Args:
        images: (N, C, H, W) float32 pixels in [0, 255].
        chances: (N, 15) rows of `draw`.
        how: Strengths.
        size: Side of the result, px.

    Returns:
        (N, C, size, size) float32 pixels in [0, 255]. With nothing to do, the pixels are those given.
    """
    if how.jpeg or how.shrink:
        images = _degrade(images, chances, how)
    if how.moves or images.shape[-1] != size or images.shape[-2] != size:
        images = _move(images, chances, how, size)
    if how.brightness or how.contrast:
        images = _relight(images, chances, how)
    if how.erase:
        images = _erase(images, chances, how)
    return images


def _signed(chances: Tensor, column: int) -> Tensor:
    return chances[:, column] * 2 - 1


def _degrade(images: Tensor, chances: Tensor, how: Augmentation) -> Tensor:
    """Before they are moved, as it happens to pictures: some faces shrink, some go through JPEG, few through both."""
    images = images.clone()
    small = torch.nonzero(chances[:, _SHRINK] < how.shrink)[:, 0]
    if len(small):
        low, high = how.shrink_px
        side = low + torch.floor(chances[small, _SMALL] * (high - low + 1))
        images[small] = shrink(images[small], side.clamp(max=images.shape[-1]))
    packed = torch.nonzero(chances[:, _JPEG] < how.jpeg)[:, 0]
    if len(packed):
        low, high = how.jpeg_quality
        quality = low + torch.floor(chances[packed, _QUALITY] * (high - low + 1))
        images[packed] = compress(images[packed], quality)
    return images


def _move(images: Tensor, chances: Tensor, how: Augmentation, size: int) -> Tensor:
    turn = _signed(chances, _TURN) * math.radians(how.rotate_deg)
    zoom = torch.exp(_signed(chances, _SCALE) * how.scale)
    mirror = torch.where((chances[:, _FLIP] < 0.5) & how.flip, -1.0, 1.0)
    cos, sin = torch.cos(turn) / zoom, torch.sin(turn) / zoom
    # From places in the result to places in the picture, both in [-1, 1]: a part that changes along a row and one that
    # changes along a column, so that each coordinate is one addition. With `F.affine_grid`, a batch takes twice as long.
    place = (torch.arange(size, device=images.device, dtype=torch.float32) * 2 + 1) / size - 1
    grid = images.new_empty(len(images), size, size, 2)
    for axis, along_row, along_column, column in (
        (0, cos * mirror, -sin, _SHIFT_X),
        (1, sin * mirror, cos, _SHIFT_Y),
    ):
        start = (_signed(chances, column) * 2 * how.shift)[:, None]
        across = (along_row[:, None] * place + start)[:, None, :]  # (N, 1, size)
        down = (along_column[:, None] * place)[:, :, None]  # (N, size, 1)
        torch.add(across, down, out=grid[..., axis])
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _relight(images: Tensor, chances: Tensor, how: Augmentation) -> Tensor:
    bright = (1 + _signed(chances, _BRIGHT) * how.brightness)[:, None, None, None]
    stretch = (1 + _signed(chances, _CONTRAST) * how.contrast)[:, None, None, None]
    images = images * bright
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return ((images - mean) * stretch + mean).clamp(0, 255)


def _erase(images: Tensor, chances: Tensor, how: Augmentation) -> Tensor:
    side = images.shape[-1]
    low, high = how.erase_px
    length = low + chances[:, _SIDE] * (high - low)
    left, top = chances[:, _LEFT] * (side - length), chances[:, _TOP] * (side - length)
    place = torch.arange(side, device=images.device, dtype=torch.float32)
    columns = (place >= left[:, None]) & (place < (left + length)[:, None])  # (N, side)
    rows = (place >= top[:, None]) & (place < (top + length)[:, None])
    hit = (chances[:, _ERASE] < how.erase)[:, None, None]
    blot = (rows[:, :, None] & columns[:, None, :] & hit)[:, None]  # (N, 1, side, side)
    return torch.where(blot, images.mean(dim=(1, 2, 3), keepdim=True), images)
