"""What poor cameras and messengers do to a face: shrinking, JPEG. Whole batches at once, on any device."""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["compress", "shrink"]

# fmt: off
_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61,
    12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77,
    24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
)
# fmt: on


def compress(images: Tensor, quality: Tensor) -> Tensor:
    """Return faces as they come out of a JPEG file.

    Args:
        images: (N, C, H, W) float32 pixels in [0, 255]; each channel is treated as grey.
        quality: (N,) 1 to 100, as libjpeg counts it.

    Returns:
        (N, C, H, W), of whole grey levels.

    Source:
        ITU-T T.81, table K.1 (luminance) and A.3.3 (cosine transform); qualities scale the table as in libjpeg.
    """
    count, channels, height, width = images.shape
    padded = F.pad(images, (0, -width % 8, 0, -height % 8), mode="replicate") - 128
    blocks = padded.unfold(2, 8, 8).unfold(3, 8, 8)  # (N, C, rows, columns, 8, 8)
    cosines = _cosines().to(images.device)
    table = _table(quality.to(torch.float32))[:, None, None, None]  # (N, 1, 1, 1, 8, 8)
    kept = torch.round(cosines @ blocks @ cosines.t() / table) * table
    pixels = cosines.t() @ kept @ cosines + 128
    whole = pixels.permute(0, 1, 2, 4, 3, 5).reshape(count, channels, *padded.shape[2:])
    return whole[:, :, :height, :width].round().clamp(0, 255)


def shrink(images: Tensor, side: Tensor) -> Tensor:
    """Return faces that were made smaller, averaging areas, and large again, between pixels linearly.

    Args:
        images: (N, C, S, S) float32 pixels.
        side: (N,) whole numbers from 1 to S: the side in between, px.

    Returns:
        (N, C, S, S).
    """
    size = images.shape[-1]
    there_and_back = torch.stack([_resampling(size, int(one)) for one in side.tolist()])
    matrices = there_and_back.to(images.device)[:, None]  # (N, 1, S, S)
    return matrices @ images @ matrices.transpose(2, 3)


@cache
def _cosines() -> Tensor:
    """The 8-point cosine transform, (8, 8), orthonormal."""
    place = torch.arange(8, dtype=torch.float64)
    waves = torch.cos((2 * place[None] + 1) * place[:, None] * torch.pi / 16) / 2
    waves[0] /= 2**0.5
    return waves.to(torch.float32)


def _table(quality: Tensor) -> Tensor:
    """(N, 8, 8) steps that coefficients are rounded to."""
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality)
    base = torch.tensor(_LUMINANCE, dtype=torch.float32, device=quality.device).view(8, 8)
    return torch.floor((base * scale[:, None, None] + 50) / 100).clamp(1, 255)


@cache
def _resampling(size: int, side: int) -> Tensor:
    """(S, S): what shrinking a row to ``side`` and enlarging it again makes of each of its pixels."""
    identity = torch.eye(size)[None]  # each row of it is a picture of one line
    small = F.interpolate(identity, side, mode="area")
    if size % side:
        # "area" averages whole pixels only; with antialiasing, parts of pixels count.
        small = F.interpolate(
            identity[:, :, None], (1, side), mode="bilinear", antialias=True, align_corners=False
        )[:, :, 0]
    back = F.interpolate(small, size, mode="linear", align_corners=False)
    return back[0].t().contiguous()
