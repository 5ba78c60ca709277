"""Our own network: a pre-activation ResNet for 48 px faces, dense 3x3 convolutions throughout.

Depthwise convolutions would save multiplications, not time: on a CPU with bf16 they ran at a tenth of
the arithmetic rate of dense ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mien.errors import InputError
from mien.models.conv import Conv3x3
from mien.models.spec import ModelSpec

__all__ = ["SPEC", "MienNet"]


class _Block(nn.Module):
    """Two 3x3 convolutions, each after BN and ReLU, around a shortcut (He et al. 2016, figure 1b)."""

    def __init__(self, width_in: int, width_out: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(width_in)
        self.conv1 = Conv3x3(width_in, width_out, stride)
        self.bn2 = nn.BatchNorm2d(width_out)
        self.conv2 = Conv3x3(width_out, width_out)
        self.shortcut = (
            nn.Conv2d(width_in, width_out, 1, stride, bias=False)
            if stride > 1 or width_in != width_out
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        active = nn.functional.relu(self.bn1(x))
        kept = x if self.shortcut is None else self.shortcut(active)
        x = self.conv1(active)
        x = self.conv2(nn.functional.relu(self.bn2(x)))
        return kept + x


class MienNet(nn.Module):
    """Stem, stages of pre-activation blocks, global average, one linear layer for all heads."""

    def __init__(
        self,
        num_classes: int = 7,
        in_channels: int = 1,
        *,
        widths: Sequence[int] = (32, 64, 128, 256),
        depths: Sequence[int] = (2, 2, 2, 2),
        first_stride: int = 2,
        dropout: float = 0.0,
    ) -> None:
        """Build the network with freshly drawn weights.

        Args:
            num_classes: Logits; two heads are two slices of them.
            in_channels: 1 for grey, 3 for RGB.
            widths: Channels of each stage.
            depths: Blocks of each stage.
            first_stride: 2 halves the picture before the first stage, 1 keeps it (four times the work).
            dropout: On the pooled features, in [0, 1).

        Raises:
            InputError: If widths and depths differ in number or are not positive, or dropout is out of range.
        """
        super().__init__()
        if len(widths) != len(depths) or not widths or min(*widths, *depths) < 1:
            raise InputError(
                f"mien_net takes as many widths as depths, all positive; got {widths} and {depths}."
            )
        if not 0 <= dropout < 1 or first_stride not in (1, 2):
            raise InputError(
                f"mien_net: dropout is {dropout} (0 to 1), first_stride {first_stride} (1 or 2)."
            )
        self.stem = nn.Conv2d(in_channels, widths[0], 3, 1, 1, bias=False)
        blocks: list[nn.Module] = []
        width_in = widths[0]
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            for index in range(depth):
                stride = 1 if index else (first_stride if stage == 0 else 2)
                blocks.append(_Block(width_in, width, stride))
                width_in = width
        self.blocks = nn.Sequential(*blocks)
        self.bn = nn.BatchNorm2d(width_in)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width_in, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to logits (N, num_classes)."""
        x = nn.functional.relu(self.bn(self.blocks(self.stem(inputs))))
        pooled = torch.mean(x, dim=(2, 3))  # (N, widths[-1])
        return self.head(self.dropout(pooled))  # type: ignore[no-any-return]


SPEC = ModelSpec(
    name="mien_net",
    summary="Our pre-activation ResNet for 48 px faces; widths and depths as options",
    build=MienNet,
    paper="https://arxiv.org/abs/1603.05027",
    num_parameters=2_796_391,
    num_macs=79_111_936,
    input_mean=0.5076,
    input_std=0.2550,
    options=("widths", "depths", "first_stride", "dropout"),
)
